"""The recording rules over `Counters`: `exporter.render.recording` in numpy, held equal to promtool.

All arrays have a row per evaluation of their group and, where not of a whole system, a column per code.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exporter.backtest.baseline import usual_share
from exporter.backtest.counters import Counters, Floats, Ranges, Rows, highest
from exporter.backtest.schedule import Schedule
from exporter.errors import ConfigError
from exporter.policy.model import Duration, Policy
from exporter.render.recording import slow_windows
from exporter.taxonomy.model import Outcome, System

Flags = NDArray[np.bool_]


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
        self._kept: dict[tuple[str, str], Floats] = {}
        self._elevated: dict[Duration, Flags] = {}

    # --- windows ------------------------------------------------------------------------------------

    def count(self, window: Duration) -> Floats:
        """`system_code:session_ends:increase<w>` of a window that pages read."""
        return self._increase("windows", self.schedule.windows.rows, window)

    def limit(self, window: Duration) -> Floats:
        """`system_code:session_ends:limit<w>` of a window that pages read."""
        limit = self.policy.limit
        own = next(one for one in limit.windows if one.window == window)
        ends = _ends(self.count(window))
        usual = self._usual(self.schedule.windows.rows) * ends
        return np.asarray(
            own.floor + limit.factor * usual + limit.root * np.sqrt(usual) + own.of_ends * ends,
            np.float64,
        )

    def rest(self, window: Duration) -> Floats:
        """`system_code:session_ends:rest<w>`: the count without its worst burst."""
        burst = self.policy.spike.burst
        inside = (window.seconds - burst.seconds) // self.counters.step
        return np.asarray(self.count(window) - highest(self.count(burst), inside), np.float64)

    @cached_property
    def spike(self) -> Flags:
        """Where `system_code:session_ends:spike` is there."""
        spike = self.policy.spike
        share = self._usual(self.schedule.windows.rows)
        found = np.zeros(share.shape, np.bool_)
        shorter: Duration | None = None
        for one in sorted(self.policy.limit.windows, key=lambda one: one.window.seconds):
            count = self.count(one.window)
            usual = share * _ends(count)
            rest = one.rest + spike.rest_factor * usual + spike.rest_root * np.sqrt(usual)
            above = (count > self.limit(one.window)) & (self.rest(one.window) > rest)
            if shorter is not None:
                above &= self.count(shorter) > _part(shorter, one.window, spike.still) * count
            found |= above
            shorter = one.window
        recent = _share(self.count(spike.confirm_window))
        return np.asarray(found & (recent > spike.confirm_factor * share + spike.confirm_share))

    @cached_property
    def overrun(self) -> Flags:
        """Where a planned code is above its limit and its share."""
        overrun = self.policy.overrun
        count = self.count(overrun.window)
        above = count > self.limit(overrun.window)
        return np.asarray(above & (count > overrun.share * _ends(count)))

    @cached_property
    def stopped(self) -> Flags:
        """(rows,): where `system:session_ends:stopped` is there."""
        stopped, step = self.policy.stopped, self.counters.step
        present = self.counters.present
        found = np.zeros(len(present), np.bool_)
        for one in stopped.windows:
            before = _offset(self._successes(one.before), one.window.seconds // step)
            floor = stopped.factor * one.window.seconds / one.before.seconds * before - one.slack
            most = stopped.confirm_factor * one.confirm.seconds / one.before.seconds * before
            half = _offset(present.astype(np.float64), one.window.seconds // 2 // step)
            below = (self._successes(one.window) < floor) & (self._successes(one.confirm) < most)
            found |= below & present & (half == 1.0)
        return found

    # --- longer -------------------------------------------------------------------------------------

    def long_count(self, window: Duration) -> Floats:
        """`system_code:session_ends:increase<w>` of a window that only tickets and the baseline read."""
        return self._increase("long", self.schedule.long.rows, window)

    def elevated(self, window: Duration) -> Flags:
        """Where `system_code:session_ends:elevated<w>` is there."""
        if window not in self._elevated:
            self._elevated[window] = self._above(window)
        return self._elevated[window]

    def _above(self, window: Duration) -> Flags:
        own = next(one for one in self.policy.elevated.windows if one.window == window)
        rows = self.schedule.long.rows
        count = self._any(own.window)
        share, ends = self._usual(rows), _ends(count)
        usual = share * ends
        limit = own.floor + own.factor * usual + own.root * np.sqrt(usual) + own.of_ends * ends
        recent = _share(self._any(own.confirm_window))
        found = (count > limit) & (recent > own.confirm_factor * share)
        elevated = self.policy.elevated
        for shorter in elevated.confirming(own.window):
            found &= self._any(shorter) > _part(shorter, own.window, elevated.still) * count
        shortest = elevated.windows[0].window
        part = _part(shortest, own.window, elevated.still)
        return np.asarray(found & (self._long_rest > part * count))

    @cached_property
    def _long_rest(self) -> Floats:
        """`system_code:session_ends:rest<w>` of elevated's shortest window."""
        window, burst = self.policy.elevated.windows[0].window, self.policy.spike.burst
        inside = (window.seconds - burst.seconds) // self.counters.step
        worst = highest(self.count(burst), inside)
        return self._any(window) - self.schedule.windows.at(worst, self.schedule.long.rows)

    @cached_property
    def new(self) -> Flags:
        """Where `system_code:session_ends:new` is there."""
        new, rows = self.policy.new, self.schedule.long.rows
        day = self.policy.baseline.window
        taken = self.schedule.long.at(self.long_count(day), self.schedule.snapshots.rows)
        length = new.memory.seconds - day.seconds
        seen = self._most(taken, rows, length, new.window.seconds)
        known = self._most(_ends(taken), rows, length, new.learning.seconds)
        first = (self._any(new.window) > new.ends - 0.5) & ~(seen > 0)
        return np.asarray(first & ~np.isnan(known))

    @cached_property
    def budget(self) -> Flags:
        """(budget's rows,): where any pair of windows burns too fast."""
        budget, rows = self.policy.budget, self.schedule.budget.rows
        allowed = 1 - budget.objective_of(self.counters.system)
        found = np.zeros(len(rows), np.bool_)
        for one in budget.windows:
            most = one.factor * allowed
            (failures, ratio), (_, short) = self._burnt(one.long), self._burnt(one.short)
            found |= (ratio > most) & (short > most) & (failures > budget.failures)
        return found

    # --- parts --------------------------------------------------------------------------------------

    def _increase(self, group: str, rows: Rows, window: Duration) -> Floats:
        found = self._kept.get((group, window))
        if found is None:
            found = self._kept[group, window] = self._ranges.increase(rows, window.seconds)
        return found

    @cached_property
    def share(self) -> Floats:
        """(baseline's rows, codes): `system_code:session_ends:share`."""
        day = self.long_count(self.policy.baseline.window)
        return usual_share(day, self.schedule, self.policy.baseline, self.counters.step)

    def _usual(self, rows: Rows) -> Floats:
        """The share at the rows of a group that runs before the baseline."""
        return self.schedule.baseline.before(self.share, rows)

    def _successes(self, window: Duration) -> Floats:
        rows = self.schedule.windows.rows
        if window in self._long_windows:
            # The long group runs after the windows'.
            return _total(self.schedule.long.before(self.long_count(window), rows), self._success)
        return _total(self.count(window), self._success)

    def _any(self, window: Duration) -> Floats:
        """A window's counts at the long group's rows, whichever group records them."""
        if window in self._long_windows:
            return self.long_count(window)
        return self.schedule.windows.at(self.count(window), self.schedule.long.rows)

    @cached_property
    def _long_windows(self) -> set[Duration]:
        return slow_windows(self.policy)

    def _burnt(self, window: Duration) -> tuple[Floats, Floats]:
        """(budget's rows,): failures, and their ratio to the ends that count."""
        base, rows, budget = (
            self.policy.budget.base,
            self.schedule.budget.rows,
            self.schedule.budget,
        )
        if window.seconds < base.seconds:
            counts = self.schedule.windows.at(self.count(window), rows)
        else:
            # The long group runs after the budget's.
            counts = self.schedule.long.before(self.long_count(base), rows)
        failures, counted = _total(counts, self._failure), _total(counts, self._counted)
        if window.seconds > base.seconds:
            span = window.seconds // (budget.every * self.counters.step)
            samples = base.seconds / self.policy.intervals.budget.seconds
            failures, counted = _summed(failures, span) / samples, _summed(counted, span) / samples
        with np.errstate(divide="ignore", invalid="ignore"):
            return failures, failures / counted

    def _most(self, taken: Floats, rows: Rows, length: int, offset: int) -> Floats:
        """`max_over_time(taken[length] offset ...)` of snapshots at `rows`, seconds; NaN without one."""
        every = self.schedule.snapshots.every
        step = self.counters.step
        last = (rows - offset // step) // every
        first = -((length // step - (rows - offset // step)) // every)
        found = np.full((len(rows), taken.shape[1]), np.nan)
        filled = np.where(np.isnan(taken), -np.inf, taken)
        for place, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            if end >= 0:
                found[place] = filled[max(begin, 0) : end + 1].max(axis=0)
        return np.where(np.isneginf(found), np.nan, found)


def _part(shorter: Duration, window: Duration, still: float) -> float:
    """What a shorter window must have of a window's count, when what made it is going on."""
    return still * shorter.seconds / window.seconds


def _ends(counts: Floats) -> Floats:
    """All ends beside each code's."""
    return np.asarray(counts.sum(axis=1, keepdims=True), np.float64)


def _share(counts: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts / _ends(counts), np.float64)


def _total(counts: Floats, chosen: Flags) -> Floats:
    return np.asarray(counts[:, chosen].sum(axis=1), np.float64)


def _offset(values: Floats, rows: int) -> Floats:
    moved = np.full(values.shape, np.nan)
    moved[rows:] = values[: len(values) - rows] if rows else values
    return moved


def _summed(values: Floats, span: int) -> Floats:
    """`sum_over_time` of each value and the `span` before it, NaN left out."""
    sums = np.cumsum(np.nan_to_num(values))
    there = np.cumsum(~np.isnan(values))
    sums[span + 1 :] -= sums[: -span - 1].copy() if len(values) > span + 1 else 0.0
    there[span + 1 :] -= there[: -span - 1].copy() if len(values) > span + 1 else 0
    return np.where(there > 0, sums, np.nan)
