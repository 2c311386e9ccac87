"""Ours and the usual ways of alerting on counts, on the same counters: conditions to pages.

What a family needs to know of an installation (a usual rate, an objective) it takes from the first three
days, as whoever sets it up would.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.backtest.counters import Counters
from exporter.backtest.notifications import PAGE
from exporter.promql.rulefile import Group
from exporter.promql.run import Run
from exporter.promql.value import Flags, Floats
from exporter.taxonomy.model import Outcome, System

LEARNING: Final = 3 * 86400
STOPPED, SPIKE, BUDGET = "stopped", "spike", "budget"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert fired from `start` to `end`, Unix seconds (`end` of the history when still firing).

    `signal` and `code` are what it says; `code` is "" for a whole system.
    """

    signal: str
    code: str
    severity: str
    start: float
    end: float


def ours(counters: Counters, system: System, groups: Sequence[Group]) -> list[Alarm]:
    """The alerts of rule files."""
    run = Run(groups, counters.series(system), counters.start, counters.end)
    assert not run.failures
    return [
        Alarm(
            firing.labels["signal"],
            firing.labels.get("code", ""),
            firing.labels["severity"],
            firing.start,
            counters.end + counters.step if firing.end is None else firing.end,
        )
        for firing in run.firings
    ]


class Plain:
    """What the other families read: increases at every minute."""

    def __init__(self, counters: Counters, system: System) -> None:
        self.counters = counters
        self.every = 60 // counters.step
        rows = np.arange(0, len(counters.present), self.every)
        self.times = (counters.start + rows * float(counters.step)).tolist()
        self.learnt = LEARNING // 60
        outcomes = {one.code: one.outcome for one in (*system.codes, system.unknown)}
        found = np.array([outcomes[code] for code in counters.codes])
        self.failing = np.flatnonzero(found == Outcome.FAILURE)
        self.success = found == Outcome.SUCCESS
        self.counting = found != Outcome.NEUTRAL
        self._history = Run((), counters.series(system), counters.start, counters.end)

    def increase(self, window: int) -> Floats:
        """(rows, codes)"""
        expression = f"sum by (code) (increase(session_ends_total[{window + 1}s]))"
        found = self._history.query(expression, self.times)
        columns = {dict(labels)["code"]: place for place, labels in enumerate(found.labels)}
        counts = np.where(found.present, found.values, 0.0)
        return np.asarray(counts[[columns[code] for code in self.counters.codes]].T, np.float64)

    def alarms(self, flags: Flags, code: str, wait: int = 2) -> Iterator[Alarm]:
        """Pages of a condition that must hold for `wait` minutes."""
        counters = self.counters
        seconds = self.every * counters.step
        edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
        for begun, end in zip(edges[::2], edges[1::2], strict=True):
            if begun + wait < end:
                yield Alarm(
                    SPIKE if code else STOPPED,
                    code,
                    PAGE,
                    counters.start + (begun + wait) * seconds,
                    counters.start + end * seconds,
                )

    def per_code(self, flags: Flags, wait: int = 2) -> Iterator[Alarm]:
        for column in self.failing:
            yield from self.alarms(flags[:, column], self.counters.codes[column], wait)


def static(plain: Plain) -> Iterator[Alarm]:
    """A code's ends in five minutes above 3 and three times its mean of the first days; no success in a
    quarter of an hour."""
    count = plain.increase(300)
    usual = count[: plain.learnt].mean(axis=0)
    yield from plain.per_code(count > 3 + 3 * usual)
    yield from plain.alarms(plain.increase(900)[:, plain.success].sum(axis=1) == 0, "")


def ratio(plain: Plain) -> Iterator[Alarm]:
    """A code is more than a tenth of the ends of five minutes, three at least; no success in a quarter of
    an hour."""
    count = plain.increase(300)
    ends = count.sum(axis=1, keepdims=True)
    yield from plain.per_code((count > 0.1 * ends) & (count > 2.5))
    yield from plain.alarms(plain.increase(900)[:, plain.success].sum(axis=1) == 0, "")


def burn_rate(plain: Plain) -> Iterator[Alarm]:
    """Multiwindow burn rates with the page windows of Google's SRE Workbook, chapter 5 (1 h and 5 m at
    14.4, 6 h and 30 m at 6), the ones Sloth writes. The objective is what the first days had, since
    with a stricter one it fires for ever."""

    def errors(window: int) -> Floats:
        count = plain.increase(window)
        failures, ends = count[:, plain.failing].sum(axis=1), count[:, plain.counting].sum(axis=1)
        found = np.divide(failures, ends, out=np.zeros(len(ends)), where=ends > 0)
        return np.asarray(found, np.float64)

    allowed = float(errors(86400)[: plain.learnt].mean())
    fast = (errors(3600) > 14.4 * allowed) & (errors(300) > 14.4 * allowed)
    slow = (errors(21600) > 6 * allowed) & (errors(1800) > 6 * allowed)
    for alarm in plain.alarms(fast | slow, "any"):
        yield Alarm(SPIKE, "", alarm.severity, alarm.start, alarm.end)


def z_score(plain: Plain) -> Iterator[Alarm]:
    """A code's ends in five minutes more than five standard deviations above the mean of the day before,
    three ends at least; all ends five below it."""

    def deviations(count: Floats) -> Floats:
        sums = np.vstack([np.zeros((1, count.shape[1])), np.cumsum(count, axis=0)])
        squares = np.vstack([np.zeros((1, count.shape[1])), np.cumsum(count**2, axis=0)])
        rows = np.arange(len(count))
        first = np.maximum(rows - 1440, 0)
        many = np.maximum(rows - first, 1)[:, np.newaxis]
        mean = (sums[rows] - sums[first]) / many
        spread = np.sqrt(np.maximum((squares[rows] - squares[first]) / many - mean**2, 0))
        found = np.divide(count - mean, spread, out=np.zeros(count.shape), where=spread > 0)
        return np.asarray(found, np.float64)

    count = plain.increase(300)
    yield from plain.per_code((deviations(count) > 5) & (count > 2.5))
    yield from plain.alarms(deviations(count.sum(axis=1, keepdims=True))[:, 0] < -5, "")


OTHERS: Final[dict[str, Callable[[Plain], Iterator[Alarm]]]] = {
    "static rate": static,
    "ratio > 10 %": ratio,
    "burn rate": burn_rate,
    "z-score > 5": z_score,
}
