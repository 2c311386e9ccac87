"""How often Alertmanager would have told somebody, once its groups, waits and inhibitions are counted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from exporter.backtest.firing import Firing
from exporter.backtest.routing import Labels, Route, Routing, labels_of


@dataclass(frozen=True, slots=True)
class Notification:
    """Sent at `at`, Unix seconds, about all `alerts` that fired in its group then.

    Those that only say that something is over are none.
    """

    at: float
    receiver: str
    severity: str
    system: str
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Alert:
    labels: Labels
    start: float
    end: float

    def fires(self, at: float) -> bool:
        return self.start <= at < self.end


def notifications(firings: Iterable[Firing], routing: Routing, until: float) -> list[Notification]:
    """What would have been sent until `until`, the history's end, in order of time.

    A group is notified `wait` after its first alert, then looked at every `interval`: again notified when
    an alert fires that was not in the last notification, or when `repeat` has gone by.
    """
    alerts = [
        _Alert(labels_of(one.subject), one.start, inf if one.end is None else one.end)
        for one in firings
    ]
    groups: dict[tuple[str, ...], tuple[Route, list[_Alert]]] = {}
    for one in sorted(alerts, key=lambda alert: alert.start):
        route = routing.route(one.labels)
        groups.setdefault(route.group(one.labels), (route, []))[1].append(one)
    found = [
        notification
        for route, members in groups.values()
        for notification in _of(route, members, alerts, routing, until)
    ]
    return sorted(found, key=lambda one: (one.at, one.receiver))


def _of(
    route: Route,
    members: Sequence[_Alert],
    alerts: Sequence[_Alert],
    routing: Routing,
    until: float,
) -> Iterator[Notification]:
    at = end = -inf
    for first in members:
        if first.start < end:
            continue
        # The group begins anew.
        at, sent, last = first.start + route.wait, frozenset[str](), -inf
        while at <= until:
            firing = [one.labels for one in members if one.fires(at)]
            others = [one.labels for one in alerts if one.fires(at)]
            told = frozenset(
                one["alertname"]
                for one in firing
                if not any(routing.inhibits(other, one) for other in others)
            )
            if told - sent or (told and at - last >= route.repeat):
                labels = first.labels
                yield Notification(
                    at, route.receiver, labels["severity"], labels["system"], tuple(sorted(told))
                )
                sent, last = told, at
            # One that ended is news when it comes back; one that is inhibited meanwhile is not.
            sent &= frozenset(one["alertname"] for one in firing)
            if not firing:
                break
            at += route.interval
        end = at
