"""Whether Alertmanager would notify of an alert, after the wait of its group and inhibitions."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from exporter import names
from exporter.promql.run import Firing
from exporter.taxonomy.model import Severity

Labels = Mapping[str, str]
PAGE: Final = Severity.PAGE.value
TICKET: Final = Severity.TICKET.value
# Copied from deploy/alertmanager/alertmanager.yml; a test compares them.
WAITS: Final = {PAGE: 40, TICKET: 300}
"""Seconds: Alertmanager's group_wait."""
INHIBITING: Final = ("spike", "overrun")
INHIBITED: Final = ("elevated", "new")
"""Signals that are muted while a signal of `INHIBITING` fires for the same code."""


def severity(labels: Labels) -> str:
    """`PAGE`, or `TICKET` for any other severity: it is routed as a ticket."""
    return PAGE if labels.get(names.SEVERITY) == PAGE else TICKET


def notified(firing: Firing, alerts: Iterable[Firing]) -> float | None:
    """The time of a notification, Unix seconds; None if the alert ends before.

    An alert that joins a group that fires already is notified later, at the group's next group_interval.
    """
    at = firing.start + WAITS[severity(firing.labels)]
    for other in sorted(alerts, key=lambda alert: alert.start):
        end = inf if other.end is None else other.end
        if _inhibits(other.labels, firing.labels) and other.start <= at < end:
            at = end
    return at if at < (inf if firing.end is None else firing.end) else None


def _inhibits(source: Labels, target: Labels) -> bool:
    return (
        source.get("signal") in INHIBITING
        and target.get("signal") in INHIBITED
        and all(source.get(name) == target.get(name) for name in (names.SYSTEM, names.CODE))
    )
