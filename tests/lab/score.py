"""Scores alarms against the simulated incidents: recall, minutes to detect and reset, false pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Final

from exporter.backtest.counters import Counters
from exporter.backtest.notifications import PAGE, TICKET
from exporter.simulate.history import Incident
from exporter.taxonomy.model import System
from tests.lab.families import BUDGET, SPIKE, STOPPED, Alarm

AFTER: Final = 600.0
"""Seconds after an incident in which a page may belong to it: the shortest window is 5 minutes."""
AFTER_TICKET: Final = 3600.0
"""Seconds after an incident in which a ticket may belong to it: its shortest window is an hour."""
REGROUPED: Final = 300.0
"""Alarms of one system that are nearer than this are one notification (Alertmanager's group_interval)."""
FIRST_DAYS: Final = 3 * 86400.0
PAGES: Final = (40, 600, 4 * 3600)
"""Seconds: group_wait, group_interval and repeat_interval in deploy/alertmanager/alertmanager.yml."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Counters, and the incidents that expect an alert.

    The value of an incident is the seconds that an ideal observer needs: NaN if unknown, None if the observer
    misses the incident, which then does not count.
    """

    system: System
    counters: Counters
    incidents: Mapping[Incident, float | None]


@dataclass(frozen=True, slots=True)
class Detection:
    """The detection of an incident that the ideal observer detects after `best` seconds.

    `after` is in seconds, None if the incident was missed; `reset` is how long alarms continued after it.
    `notifications` are Alertmanager's about pages, from the incident's start to 10 minutes after its end.
    """

    incident: Incident
    best: float
    after: float | None
    reset: float
    notifications: int


@dataclass(slots=True)
class Score:
    """The score of one or many histories with `days` in total.

    `budgets` are tickets about an error budget, which depend on the objective and not on incidents.
    """

    days: float = 0.0
    pages: list[Detection] = field(default_factory=list)
    tickets: list[Detection] = field(default_factory=list)
    false_pages: list[Alarm] = field(default_factory=list)
    false_tickets: list[Alarm] = field(default_factory=list)
    budgets: int = 0
    first_false: int = 0

    def add(self, other: "Score") -> None:
        for name in (entry.name for entry in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def score_of(trial: Trial, alarms: Sequence[Alarm]) -> Score:
    """The score of one family's alarms on one history."""
    start, end = trial.counters.start, trial.counters.end
    result = Score(days=(end - start) / 86400)
    result.budgets = len(notifications([alarm for alarm in alarms if alarm.signal == BUDGET]))
    alarms = [alarm for alarm in alarms if alarm.signal != BUDGET]
    sent = sent_pages(alarms, end)
    for incident, best in trial.incidents.items():
        if best is None:
            continue
        detection = _detection(incident, best, alarms, sent)
        (result.pages if incident.expects == PAGE else result.tickets).append(detection)
    for severity, false, after in (
        (PAGE, result.false_pages, AFTER),
        (TICKET, result.false_tickets, AFTER_TICKET),
    ):
        merged = notifications(
            (alarm for alarm in alarms if alarm.severity == severity), per_code=severity == TICKET
        )
        false += [
            alarm
            for alarm in merged
            if not any(
                alarm.start <= incident.end + after and alarm.end > incident.start
                for incident in trial.incidents
            )
        ]
    result.first_false = sum(alarm.start < start + FIRST_DAYS for alarm in result.false_pages)
    return result


def sent_pages(alarms: Iterable[Alarm], until: float) -> list[float]:
    """When Alertmanager sends the notifications about the pages of a system, before `until`."""
    # A group is notified when its first alert has waited, and then at intervals: again if an alert fires that
    # was not in the last notification, or if it is time to repeat it.
    wait, interval, repeat = PAGES
    pages = sorted((item for item in alarms if item.severity == PAGE), key=lambda item: item.start)
    sent: list[float] = []
    end = -inf
    for first in pages:
        if first.start < end:
            continue
        # The group is new: Alertmanager forgets a group without alerts.
        at, last = first.start + wait, -inf
        notified: set[frozenset[tuple[str, str]]] = set()
        while at < until:
            firing = {
                frozenset(page.labels.items()) for page in pages if page.start <= at < page.end
            }
            if firing - notified or (firing and at - last >= repeat):
                sent.append(at)
                notified, last = firing, at
            # An alert that ended is new when it fires again.
            notified &= firing
            if not firing:
                break
            at += interval
        end = at
    return sent


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
    incident: Incident, best: float, alarms: Sequence[Alarm], sent: Sequence[float]
) -> Detection:
    during = [
        alarm
        for alarm in alarms
        if _matches(alarm, incident)
        and alarm.start <= incident.end + AFTER
        and alarm.end > incident.start
        and (incident.expects != PAGE or alarm.severity == PAGE)
    ]
    begun = min(during, key=lambda alarm: alarm.start, default=None)
    last = max((alarm.end for alarm in during), default=incident.end)
    return Detection(
        incident,
        best,
        None if begun is None else max(begun.start - incident.start, 0.0),
        max(last - incident.end, 0.0),
        sum(incident.start <= at <= incident.end + AFTER for at in sent),
    )


def _matches(alarm: Alarm, incident: Incident) -> bool:
    """Whether signal and code are those of the incident. An alarm without a code matches any code."""
    if alarm.signal not in incident.signals:
        return alarm.signal == SPIKE and not alarm.code and STOPPED in incident.signals
    return not incident.codes or not alarm.code or alarm.code in incident.codes
