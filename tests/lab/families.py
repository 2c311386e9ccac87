"""The shipped rules and four common ways of alerting on counts, over the same counters.

A common way learns its parameters (a rate, an objective) from the first three days.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.backtest.counters import Counters, process_start
from exporter.backtest.notifications import PAGE
from exporter.promql.rulefile import Group
from exporter.promql.run import Run
from exporter.promql.value import Flags, Floats
from exporter.taxonomy.model import Outcome, System
from tests.promql.promtool import query

LEARNING: Final = 3 * 86400
STOPPED, SPIKE, BUDGET = "stopped", "spike", "budget"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert that fired from `start` to `end`, Unix seconds."""

    labels: Mapping[str, str]
    start: float
    end: float

    @property
    def signal(self) -> str:
        return self.labels["signal"]

    @property
    def code(self) -> str:
        """Empty for a whole system."""
        return self.labels.get("code", "")

    @property
    def severity(self) -> str:
        return self.labels["severity"]


def ours(counters: Counters, system: System, groups: Sequence[Group]) -> list[Alarm]:
    """The alerts of rule files."""
    series = [*counters.series(system), process_start(counters.start, counters.end)]
    run = Run(groups, series, counters.start, counters.end)
    end = counters.end + counters.step
    return [
        Alarm(firing.labels, firing.start, end if firing.end is None else firing.end)
        for firing in run.firings
    ]


class Plain:
    """Increases at every minute, on which the common ways alert."""

    def __init__(self, counters: Counters, system: System) -> None:
        self.counters = counters
        self.step = 60
        rows = np.arange(0, len(counters.present), self.step // counters.step)
        self.times = (counters.start + rows * float(counters.step)).tolist()
        self.learned = LEARNING // self.step
        outcomes = {code.code: code.outcome for code in system.all_codes}
        known = np.array([outcomes[code] for code in counters.codes])
        self.failing = np.flatnonzero(known == Outcome.FAILURE)
        self.success = known == Outcome.SUCCESS
        self.counting = known != Outcome.NEUTRAL
        self._history = Run((), counters.series(system), counters.start, counters.end)

    def increase(self, window: int) -> Floats:
        """(rows, codes)"""
        expression = f"sum by (code) (increase(session_ends_total[{window + 1}s]))"
        result = query(self._history, expression, self.times)
        columns = {dict(labels)["code"]: row for row, labels in enumerate(result.labels)}
        counts = np.where(result.present, result.values, 0.0)
        return np.asarray(counts[[columns[code] for code in self.counters.codes]].T, np.float64)

    def alarms(
        self, flags: Flags, code: str = "", signal: str = SPIKE, wait: int = 2
    ) -> Iterator[Alarm]:
        """Pages of a condition that must hold for `wait` minutes."""
        labels = {"system": self.counters.system, "code": code, "signal": signal, "severity": PAGE}
        edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if begin + wait < end:
                start, over = (self.counters.start + at * self.step for at in (begin + wait, end))
                yield Alarm(labels, start, over)

    def per_code(self, flags: Flags) -> Iterator[Alarm]:
        for column in self.failing:
            yield from self.alarms(flags[:, column], self.counters.codes[column])

    def no_success_in_15_minutes(self) -> Iterator[Alarm]:
        yield from self.alarms(self.increase(900)[:, self.success].sum(axis=1) == 0, signal=STOPPED)


def static(plain: Plain) -> Iterator[Alarm]:
    """A code's ends in 5 min exceed 3 plus three times their mean of the first days; no success in 15 min."""
    count = plain.increase(300)
    expected = count[: plain.learned].mean(axis=0)
    yield from plain.per_code(count > 3 + 3 * expected)
    yield from plain.no_success_in_15_minutes()


def ratio(plain: Plain) -> Iterator[Alarm]:
    """A code is more than a tenth of the ends in 5 min, at least three; no success in 15 min."""
    count = plain.increase(300)
    ends = count.sum(axis=1, keepdims=True)
    yield from plain.per_code((count > 0.1 * ends) & (count > 2.5))
    yield from plain.no_success_in_15_minutes()


def burn_rate(plain: Plain) -> Iterator[Alarm]:
    """Multiwindow burn rates of Google's SRE Workbook, chapter 5, as Sloth generates them.

    Windows for pages: 1 h and 5 m at 14.4, 6 h and 30 m at 6. The objective is the ratio of the first days:
    with a stricter objective the alert always fires.
    """

    def errors(window: int) -> Floats:
        count = plain.increase(window)
        failures, ends = count[:, plain.failing].sum(axis=1), count[:, plain.counting].sum(axis=1)
        ratios = np.divide(failures, ends, out=np.zeros(len(ends)), where=ends > 0)
        return np.asarray(ratios, np.float64)

    allowed = float(errors(86400)[: plain.learned].mean())
    fast = (errors(3600) > 14.4 * allowed) & (errors(300) > 14.4 * allowed)
    slow = (errors(21600) > 6 * allowed) & (errors(1800) > 6 * allowed)
    yield from plain.alarms(fast | slow)


def z_score(plain: Plain) -> Iterator[Alarm]:
    """Ends in 5 min five standard deviations above the mean of a day, at least three; all ends five below."""

    # pandas takes 0.6 s of each process that collects tests.
    import pandas as pd

    def deviations(count: Floats) -> Floats:
        before = pd.DataFrame(count).shift().rolling(1440, min_periods=1)
        spread = before.std(ddof=0)
        return ((count - before.mean()) / spread.where(spread > 0)).to_numpy()

    count = plain.increase(300)
    yield from plain.per_code((deviations(count) > 5) & (count > 2.5))
    few = deviations(count.sum(axis=1, keepdims=True))[:, 0] < -5
    yield from plain.alarms(few, signal=STOPPED)


OTHERS: Final[dict[str, Callable[[Plain], Iterator[Alarm]]]] = {
    "static rate": static,
    "ratio > 10 %": ratio,
    "burn rate": burn_rate,
    "z-score > 5": z_score,
}
