"""The recording rules over `Counters`: `exporter.render.counts` in numpy, held equal to promtool.

All arrays have a row per evaluation of their group and, where not of a whole system, a column per code.
"""

from functools import cached_property

import numpy as np

from exporter.backtest.baseline import usual_share
from exporter.backtest.counters import Counters, Flags, Floats, Ranges, highest
from exporter.backtest.schedule import Cadence, Schedule
from exporter.errors import ConfigError
from exporter.policy.model import Duration, Policy
from exporter.render.counts import slow_windows
from exporter.taxonomy.model import Outcome, System


class Records:
    """What the recording rules make of one system's counters. Each is computed once, when asked for.

    Raises `ConfigError` when the counters' step is not the policy's interval of windows.
    """

    def __init__(self, counters: Counters, system: System, policy: Policy) -> None:
        if counters.step != policy.intervals.windows.seconds:
            raise ConfigError(
                f"a step of {counters.step} s: the windows of this policy are evaluated every "
                f"{policy.intervals.windows}"
            )
        self.policy = policy
        self.counters = counters
        self.schedule = Schedule.of(policy, len(counters.present))
        self._ranges = Ranges(counters)
        outcomes = {one.code: one.outcome for one in (*system.codes, system.unknown)}
        found = np.array([outcomes[code] for code in counters.codes])
        self._success = found == Outcome.SUCCESS
        self._failure = found == Outcome.FAILURE
        self._counted = found != Outcome.NEUTRAL
        self._slow = slow_windows(policy)
        self._kept: dict[Duration, Floats] = {}

    def count(self, window: Duration) -> Floats:
        """`system_code:session_ends:increase<w>`, at the rows of the group that records it."""
        found = self._kept.get(window)
        if found is None:
            rows = self._group(window).rows
            found = self._kept[window] = self._ranges.increase(rows, window.seconds)
        return found

    def long_count(self, window: Duration) -> Floats:
        """The same at the long group's rows, whichever group records it."""
        if window in self._slow:
            return self.count(window)
        return self.schedule.windows.at(self.count(window), self.schedule.long.rows)

    def rest(self, window: Duration) -> Floats:
        """`system_code:session_ends:rest<w>`: the count without its worst burst."""
        burst = self.policy.spike.burst
        inside = (window.seconds - burst.seconds) // self.counters.step
        worst = highest(self.count(burst), inside)
        if window in self._slow:
            worst = self.schedule.windows.at(worst, self.schedule.long.rows)
        return np.asarray(self.count(window) - worst, np.float64)

    @cached_property
    def capped(self) -> Floats:
        """(windows' rows, codes): `system_code:session_ends:capped<burst>`."""
        spike = self.policy.spike
        count, share = self.count(spike.burst), self.usual_share(self.schedule.windows)
        cap = spike.cap + (spike.cap_factor * share + spike.cap_of_ends) * ends(count)
        return np.asarray(np.minimum(count, cap), np.float64)

    def steady(self, window: Duration) -> Floats:
        """`system_code:session_ends:steady<w>`: the window's count when it has its capped slices' mean."""
        burst = self.policy.spike.burst
        span = (window.seconds - burst.seconds) // self.counters.step
        return np.asarray(window.seconds / burst.seconds * _mean(self.capped, span), np.float64)

    @cached_property
    def share(self) -> Floats:
        """(baseline's rows, codes): `system_code:session_ends:share`."""
        day = self.count(self.policy.baseline.window)
        return usual_share(day, self.schedule, self.policy.baseline, self.counters.step)

    def usual_share(self, group: Cadence) -> Floats:
        """The share at the rows of a group, all of which run before the baseline's."""
        return self.schedule.baseline.before(self.share, group.rows)

    def successes(self, window: Duration) -> Floats:
        """(windows' rows,): `system:session_ends:success<w>`."""
        counts = self.count(window)
        if window in self._slow:
            # The long group runs after the windows'.
            counts = self.schedule.long.before(counts, self.schedule.windows.rows)
        return _total(counts, self._success)

    def burnt(self, window: Duration) -> tuple[Floats, Floats]:
        """(budget's rows,): failures, and their ratio to the ends that count."""
        base, budget = self.policy.budget.base, self.schedule.budget
        if window.seconds < base.seconds:
            counts = self.schedule.windows.at(self.count(window), budget.rows)
        else:
            # The long group runs after the budget's.
            counts = self.schedule.long.before(self.count(base), budget.rows)
        failures, counted = _total(counts, self._failure), _total(counts, self._counted)
        if window.seconds > base.seconds:
            span = window.seconds // (budget.every * self.counters.step)
            samples = base.seconds / self.policy.intervals.budget.seconds
            failures, counted = _summed(failures, span) / samples, _summed(counted, span) / samples
        with np.errstate(divide="ignore", invalid="ignore"):
            return failures, failures / counted

    def _group(self, window: Duration) -> Cadence:
        return self.schedule.long if window in self._slow else self.schedule.windows


def ends(counts: Floats) -> Floats:
    """(rows, 1): all ends beside each code's."""
    return np.asarray(counts.sum(axis=1, keepdims=True), np.float64)


def earlier(values: Floats, rows: int) -> Floats:
    """`offset`: the values of so many rows before; NaN before the first."""
    moved = np.full(values.shape, np.nan)
    moved[rows:] = values[: max(len(values) - rows, 0)]
    return moved


def _total(counts: Floats, chosen: Flags) -> Floats:
    return np.asarray(counts[:, chosen].sum(axis=1), np.float64)


def _summed(values: Floats, span: int) -> Floats:
    """`sum_over_time` of each value and the `span` before it, NaN left out."""
    sums, there = _running(values, span)
    return np.where(there > 0, sums, np.nan)


def _mean(values: Floats, span: int) -> Floats:
    """`avg_over_time` of the same."""
    sums, there = _running(values, span)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums / there, np.float64)


def _running(values: Floats, span: int) -> tuple[Floats, Floats]:
    """The sum of each value and the `span` before it, and how many of them are there."""
    sums = np.cumsum(np.nan_to_num(values), axis=0)
    there = np.cumsum(~np.isnan(values), axis=0).astype(np.float64)
    sums -= np.nan_to_num(earlier(sums, span + 1))
    there -= np.nan_to_num(earlier(there, span + 1))
    return sums, there
