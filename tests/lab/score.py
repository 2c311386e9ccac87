"""Scores alarms against the simulated incidents: recall, minutes to detect and reset, false pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

from exporter.backtest.notifications import PAGE, TICKET
from exporter.simulate.history import History, Incident
from exporter.taxonomy.model import System
from tests.lab.families import BUDGET, SPIKE, STOPPED, Alarm
from tests.lab.observer import seen_after

AFTER: Final = 600.0
"""Seconds after an incident in which a page may still be its own: the shortest window is 5 minutes."""
AFTER_TICKET: Final = 3600.0
"""The same of a ticket, whose shortest window is an hour."""
REGROUPED: Final = 300.0
"""Alarms of one system that are nearer than this are one notification (Alertmanager's group_interval)."""
FIRST_DAYS: Final = 3 * 86400.0


@dataclass(frozen=True, slots=True)
class Detection:
    """The detection of an incident that the ideal observer detects after `best` seconds.

    `after` is in seconds, None if the incident was missed; `reset` is how long alarms continued after it.
    """

    incident: Incident
    best: float
    after: float | None
    reset: float
    notifications: int
    first_days: bool


@dataclass(slots=True)
class Score:
    """Of one or many histories with `days` in total.

    `budgets` are tickets about an error budget, which depend on the objective and not on incidents.
    """

    days: float = 0.0
    pages: list[Detection] = field(default_factory=list)
    tickets: list[Detection] = field(default_factory=list)
    false_pages: list[Alarm] = field(default_factory=list)
    false_tickets: list[Alarm] = field(default_factory=list)
    budgets: int = 0
    first_days: float = 0.0
    first_false: int = 0

    def add(self, other: "Score") -> None:
        for name in (entry.name for entry in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def score_of(history: History, system: System, alarms: Sequence[Alarm]) -> Score:
    """The score of one family's alarms on one history."""
    result = Score(days=(history.end - history.start) / 86400, first_days=FIRST_DAYS / 86400)
    result.budgets = len(notifications([alarm for alarm in alarms if alarm.signal == BUDGET]))
    alarms = [alarm for alarm in alarms if alarm.signal != BUDGET]
    incidents = [incident for incident in history.incidents if incident.expects != "nothing"]
    for incident in incidents:
        best = seen_after(history, incident, system)
        if best is None:
            continue
        detection = _detection(history, incident, best, alarms)
        (result.pages if incident.expects == PAGE else result.tickets).append(detection)
    for severity, false, after in (
        (PAGE, result.false_pages, AFTER),
        (TICKET, result.false_tickets, AFTER_TICKET),
    ):
        sent = notifications(
            (alarm for alarm in alarms if alarm.severity == severity), per_code=severity == TICKET
        )
        false += [
            alarm
            for alarm in sent
            if not any(
                alarm.start <= incident.end + after and alarm.end > incident.start
                for incident in incidents
            )
        ]
    limit = history.start + FIRST_DAYS
    result.first_false = sum(alarm.start < limit for alarm in result.false_pages)
    return result


def notifications(alarms: Iterable[Alarm], per_code: bool = False) -> list[Alarm]:
    """Alarms that overlap, or nearly, are one notification; tickets are grouped by signal and code."""
    merged: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in sorted(alarms, key=lambda alarm: alarm.start):
        key = (alarm.signal, alarm.code) if per_code else ("", "")
        group = merged.setdefault(key, [])
        if group and alarm.start <= group[-1].end + REGROUPED:
            group[-1] = replace(group[-1], end=max(group[-1].end, alarm.end))
        else:
            group.append(alarm)
    return sorted(
        (alarm for group in merged.values() for alarm in group), key=lambda alarm: alarm.start
    )


def recall(detections: Sequence[Detection]) -> float:
    """The share of detected incidents; 1 without any incident."""
    return len(minutes(detections)) / len(detections) if detections else 1.0


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def minutes(detections: Sequence[Detection]) -> list[float]:
    return [item.after / 60 for item in detections if item.after is not None]


def per_month(count: int, days: float) -> float:
    return count * 30 / days if days else 0.0


def _detection(
    history: History, incident: Incident, best: float, alarms: Sequence[Alarm]
) -> Detection:
    during = [
        alarm
        for alarm in alarms
        if _matches(alarm, incident)
        and alarm.start <= incident.end + AFTER
        and alarm.end > incident.start
        and (incident.expects != PAGE or alarm.severity == PAGE)
    ]
    first = min((alarm.start for alarm in during), default=None)
    last = max((alarm.end for alarm in during), default=incident.end)
    return Detection(
        incident,
        best,
        None if first is None else max(first - incident.start, 0.0),
        max(last - incident.end, 0.0),
        len(notifications(during)),
        incident.start < history.start + FIRST_DAYS,
    )


def _matches(alarm: Alarm, incident: Incident) -> bool:
    """Whether signal and code are those of the incident. An alarm without a code matches any code."""
    if alarm.signal not in incident.signals:
        return alarm.signal == SPIKE and not alarm.code and STOPPED in incident.signals
    return not incident.codes or not alarm.code or alarm.code in incident.codes
