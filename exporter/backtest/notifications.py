"""The notifications that Alertmanager would have sent, after its groups, waits and inhibitions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from exporter import names
from exporter.promql.run import Firing
from exporter.taxonomy.model import Severity

Labels = Mapping[str, str]
PAGE: Final = Severity.PAGE.value
TICKET: Final = Severity.TICKET.value


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: Alertmanager's group_wait, group_interval and repeat_interval."""

    wait: float
    interval: float
    repeat: float


# Copied from deploy/alertmanager/alertmanager.yml; a test compares them.
PAGES: Final = Timing(40, 600, 4 * 3600)
TICKETS: Final = Timing(300, 3600, 3 * 86400)
INHIBITING: Final = ("spike", "overrun")
INHIBITED: Final = ("elevated", "new")
"""Signals that are muted while a signal of `INHIBITING` fires for the same code."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Sent at `at`, Unix seconds, about firing alerts with the labels `alerts`; not about resolved alerts."""

    at: float
    severity: str
    system: str
    alerts: frozenset[frozenset[tuple[str, str]]]

    def names(self, firing: Firing) -> bool:
        return _fires(firing, self.at) and frozenset(firing.labels.items()) in self.alerts


def notifications(firings: Iterable[Firing], until: float) -> list[Notification]:
    """The notifications before `until`, the end of the history, in order of time."""
    alerts = sorted(firings, key=lambda firing: firing.start)
    groups: dict[tuple[str, str], list[Firing]] = {}
    for alert in alerts:
        key = severity(alert.labels), alert.labels.get(names.SYSTEM, "")
        groups.setdefault(key, []).append(alert)
    sent = [
        Notification(at, level, system, active)
        for (level, system), members in groups.items()
        for at, active in _times(members, alerts, until)
    ]
    return sorted(sent, key=lambda notification: notification.at)


def severity(labels: Labels) -> str:
    """`PAGE`, or `TICKET` for any other severity: it is routed as a ticket."""
    return PAGE if labels.get(names.SEVERITY) == PAGE else TICKET


def _fires(firing: Firing, at: float) -> bool:
    return firing.start <= at and (firing.end is None or at < firing.end)


def _inhibits(source: Labels, target: Labels) -> bool:
    return (
        source.get("signal") in INHIBITING
        and target.get("signal") in INHIBITED
        and all(source.get(name) == target.get(name) for name in (names.SYSTEM, names.CODE))
    )


def _times(
    members: Sequence[Firing], alerts: Sequence[Firing], until: float
) -> Iterator[tuple[float, frozenset[frozenset[tuple[str, str]]]]]:
    """When a group is notified, and about which alerts."""
    # A group is notified when its first alert has waited, and then at intervals: again if an alert fires that
    # was not in the last notification, or if it is time to repeat it.
    timing = PAGES if severity(members[0].labels) == PAGE else TICKETS
    end = -inf
    for first in members:
        if first.start < end:
            continue
        # The group is new: Alertmanager forgets a group without alerts.
        at, last = first.start + timing.wait, -inf
        notified: frozenset[frozenset[tuple[str, str]]] = frozenset()
        while at < until:
            others = [alert.labels for alert in alerts if _fires(alert, at)]
            firing = {
                frozenset(alert.labels.items()): alert.labels
                for alert in members
                if _fires(alert, at)
            }
            active = frozenset(
                key
                for key, labels in firing.items()
                if not any(_inhibits(other, labels) for other in others)
            )
            if active - notified or (active and at - last >= timing.repeat):
                yield at, active
                notified, last = active, at
            # An alert that ended is new when it fires again; an inhibited alert is not.
            notified &= firing.keys()
            if not firing:
                break
            at += timing.interval
        end = at
