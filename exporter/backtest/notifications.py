"""How often Alertmanager would have told somebody, once its groups, waits and inhibitions are counted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from exporter import names
from exporter.promql.run import Firing
from exporter.taxonomy.model import Severity

Labels = Mapping[str, str]
Key = frozenset[tuple[str, str]]
"""An alert's labels, which tell it from all others."""
SIGNAL: Final = "signal"
PAGE: Final = Severity.PAGE.value
TICKET: Final = Severity.TICKET.value


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: Alertmanager's group_wait, group_interval and repeat_interval."""

    wait: float
    interval: float
    repeat: float


# What deploy/alertmanager/alertmanager.yml says, with reasons: an installed package has no such file.
PAGES: Final = Timing(40, 600, 4 * 3600)
TICKETS: Final = Timing(300, 3600, 3 * 86400)
PAGED: Final = {"client": "application", "application": "application"}
"""Who gets the pages about the codes of an owner, when it is not the platform's on-call."""
TICKETED: Final = ("customer_network", "client", "capacity", "application", "policy", "user")
"""Owners who get their own tickets."""
INHIBITING: Final = ("spike", "overrun")
INHIBITED: Final = ("elevated", "new")
"""Signals that are silent while one of `INHIBITING` fires for the same code."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Sent at `at`, Unix seconds, about the alerts that fired in its group then.

    Those that only say that something is over are none.
    """

    at: float
    receiver: str
    severity: str
    system: str


@dataclass(frozen=True, slots=True)
class _Alert:
    labels: Labels
    start: float
    end: float

    def fires(self, at: float) -> bool:
        return self.start <= at < self.end


def notifications(firings: Iterable[Firing], until: float) -> list[Notification]:
    """What would have been sent until `until`, the history's end, in order of time.

    A group is notified after its first alert and a wait, then looked at in intervals: notified again when
    an alert fires that was not in the last notification, or when it is time to repeat it.
    """
    alerts = [
        _Alert(firing.labels, firing.start, inf if firing.end is None else firing.end)
        for firing in firings
    ]
    groups: dict[tuple[str, str], list[_Alert]] = {}
    for alert in sorted(alerts, key=lambda alert: alert.start):
        key = receiver(alert.labels), alert.labels.get(names.SYSTEM, "")
        groups.setdefault(key, []).append(alert)
    found = [
        Notification(at, to, severity(members[0].labels), system)
        for (to, system), members in groups.items()
        for at in _of(members, alerts, until)
    ]
    return sorted(found, key=lambda notification: (notification.at, notification.receiver))


def receiver(labels: Labels) -> str:
    owner = labels.get(names.OWNER, "")
    if severity(labels) == PAGE:
        return f"page-{PAGED.get(owner, 'platform')}"
    return f"ticket-{owner if owner in TICKETED else 'platform'}".replace("_", "-")


def inhibits(source: Labels, target: Labels) -> bool:
    """Whether `target` is silent while `source` fires."""
    return (
        source.get(SIGNAL) in INHIBITING
        and target.get(SIGNAL) in INHIBITED
        and all(source.get(name) == target.get(name) for name in (names.SYSTEM, names.CODE))
    )


def severity(labels: Labels) -> str:
    """`PAGE`, or `TICKET` for whatever is no page: it goes where tickets go."""
    return PAGE if labels.get(names.SEVERITY) == PAGE else TICKET


def _of(members: Sequence[_Alert], alerts: Sequence[_Alert], until: float) -> Iterator[float]:
    """When a group is notified."""
    timing = PAGES if severity(members[0].labels) == PAGE else TICKETS
    end = -inf
    for first in members:
        if first.start < end:
            continue
        # The group begins anew.
        at, sent, last = first.start + timing.wait, frozenset[Key](), -inf
        while at <= until:
            firing = {_key(alert): alert.labels for alert in members if alert.fires(at)}
            others = [alert.labels for alert in alerts if alert.fires(at)]
            told = frozenset(
                key
                for key, labels in firing.items()
                if not any(inhibits(other, labels) for other in others)
            )
            if told - sent or (told and at - last >= timing.repeat):
                yield at
                sent, last = told, at
            # An alert that ended is news when it comes back; one that is inhibited meanwhile is not.
            sent &= firing.keys()
            if not firing:
                break
            at += timing.interval
        end = at


def _key(alert: _Alert) -> Key:
    return frozenset(alert.labels.items())
