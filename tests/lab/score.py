"""What alarms were worth against the truth: recall, minutes to detect and to reset, false pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
class Found:
    """An incident that an ideal observer could see. Seconds; `after` is None when it was missed.

    `best` is the observer's time; `reset` is how long alarms went on when it was over.
    """

    incident: Incident
    best: float
    after: float | None
    reset: float
    notifications: int
    first_days: bool


@dataclass(slots=True)
class Score:
    """Of one or many histories; `days` is their length together, `unseen` what nobody could see. `budgets`
    are the tickets about an error budget, right or wrong: they follow the objective, not incidents."""

    days: float = 0.0
    pages: list[Found] = field(default_factory=list)
    tickets: list[Found] = field(default_factory=list)
    unseen: int = 0
    false_pages: list[Alarm] = field(default_factory=list)
    false_tickets: list[Alarm] = field(default_factory=list)
    budgets: int = 0
    first_days: float = 0.0
    first_false: int = 0

    def add(self, other: "Score") -> None:
        self.days += other.days
        self.pages += other.pages
        self.tickets += other.tickets
        self.unseen += other.unseen
        self.false_pages += other.false_pages
        self.false_tickets += other.false_tickets
        self.budgets += other.budgets
        self.first_days += other.first_days
        self.first_false += other.first_false


def score(history: History, system: System, alarms: Sequence[Alarm]) -> Score:
    """One family's alarms on one history."""
    result = Score(days=(history.end - history.start) / 86400, first_days=FIRST_DAYS / 86400)
    result.budgets = len(notifications([one for one in alarms if one.signal == BUDGET]))
    alarms = [one for one in alarms if one.signal != BUDGET]
    real = [one for one in history.incidents if one.expects != "nothing"]
    for incident in real:
        best = seen_after(history, incident, system)
        if best is None:
            result.unseen += 1
            continue
        found = _found(history, incident, best, alarms)
        (result.pages if incident.expects == PAGE else result.tickets).append(found)
    for severity, wrong, after in (
        (PAGE, result.false_pages, AFTER),
        (TICKET, result.false_tickets, AFTER_TICKET),
    ):
        chosen = [one for one in alarms if one.severity == severity]
        per_code = severity == TICKET
        wrong += [one for one in notifications(chosen, per_code) if not _excused(one, real, after)]
    limit = history.start + FIRST_DAYS
    result.first_false = sum(one.start < limit for one in result.false_pages)
    return result


def notifications(alarms: Iterable[Alarm], per_code: bool = False) -> list[Alarm]:
    """Alarms as they reach a person: those of one system that overlap, or nearly, are one; tickets are
    one for each signal and code."""
    open_ones: dict[tuple[str, str], Alarm] = {}
    done: list[Alarm] = []
    for one in sorted(alarms, key=lambda alarm: alarm.start):
        key = (one.signal, one.code) if per_code else ("", "")
        last = open_ones.get(key)
        if last is not None and one.start <= last.end + REGROUPED:
            end = max(last.end, one.end)
            open_ones[key] = Alarm(last.signal, last.code, last.severity, last.start, end)
            continue
        if last is not None:
            done.append(last)
        open_ones[key] = one
    return sorted([*done, *open_ones.values()], key=lambda alarm: alarm.start)


def _found(history: History, incident: Incident, best: float, alarms: Sequence[Alarm]) -> Found:
    own = [one for one in alarms if _is_of(one, incident)]
    begun = [one for one in own if one.start <= incident.end + AFTER and one.end > incident.start]
    if incident.expects == PAGE:
        begun = [one for one in begun if one.severity == PAGE]
    after = max(min(one.start for one in begun) - incident.start, 0.0) if begun else None
    last = max((one.end for one in begun), default=incident.end)
    return Found(
        incident,
        best,
        after,
        max(last - incident.end, 0.0),
        len(notifications(begun)),
        incident.start < history.start + FIRST_DAYS,
    )


def _is_of(alarm: Alarm, incident: Incident) -> bool:
    """Whether this alarm is a detection: the right signal on the right code. One that names no code (a
    burn rate) counts as found for every code, to its favour."""
    if alarm.signal not in incident.signals:
        return alarm.signal == SPIKE and not alarm.code and STOPPED in incident.signals
    return not incident.codes or not alarm.code or alarm.code in incident.codes


def _excused(alarm: Alarm, real: Iterable[Incident], after: float) -> bool:
    return any(alarm.start <= one.end + after and alarm.end > one.start for one in real)
