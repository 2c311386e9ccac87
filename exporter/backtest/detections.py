"""What the alerts see in the records: `exporter.render.detections` in numpy, held equal to promtool.

Each is an array of flags with a row per evaluation of its group: where the rule's record is there.
"""

from functools import cached_property

import numpy as np

from exporter.backtest.counters import Counters, Flags, Floats
from exporter.backtest.records import Records, earlier, ends
from exporter.policy.model import Duration, Policy, StoppedWindow
from exporter.taxonomy.model import System


class Detections:
    """The detections of one system's counters, each computed once, when asked for.

    Raises `ConfigError` as `Records` does.
    """

    def __init__(self, counters: Counters, system: System, policy: Policy) -> None:
        self.policy = policy
        self.counters = counters
        self.records = Records(counters, system, policy)
        self.schedule = self.records.schedule

    def limit(self, window: Duration) -> Floats:
        """`system_code:session_ends:limit<w>` of a window that pages read."""
        limit = self.policy.limit
        own = next(one for one in limit.windows if one.window == window)
        count, share = self.records.count(window), self._share
        return _limit(count, share, own.floor, limit.factor, limit.root, own.of_ends)

    @cached_property
    def spike(self) -> Flags:
        """(windows' rows, codes)"""
        records, spike, windows = self.records, self.policy.spike, self.policy.limit.windows
        share = self._share
        found = np.zeros(share.shape, np.bool_)
        for shorter, one in zip((None, *windows), windows, strict=False):
            count = records.count(one.window)
            usual = share * ends(count)
            rest = one.rest + spike.rest_factor * usual + spike.rest_root * np.sqrt(usual)
            limit = self.limit(one.window)
            above = (count > limit) & (records.steady(one.window) > limit)
            above &= records.rest(one.window) > rest
            if shorter is not None:
                part = _part(shorter.window, one.window, spike.still)
                above &= records.count(shorter.window) > part * count
            found |= above
        recent = _ratio(records.count(spike.confirm_window))
        return np.asarray(found & (recent > spike.confirm_factor * share + spike.confirm_share))

    @cached_property
    def overrun(self) -> Flags:
        """(windows' rows, codes): where a planned code is above its limit and its share."""
        overrun = self.policy.overrun
        count = self.records.count(overrun.window)
        above = count > self.limit(overrun.window)
        return np.asarray(above & (count > overrun.share * ends(count)))

    @cached_property
    def stopped(self) -> Flags:
        """(windows' rows,)"""
        found = np.zeros(len(self.counters.present), np.bool_)
        windows = self.policy.stopped.windows
        for one in windows:
            found |= self._fallen(one, one.before, one.longer_before)
        return held(found, self._fallen(windows[-1], windows[-1].longer_before))

    def _fallen(self, window: StoppedWindow, *befores: Duration) -> Flags:
        """Where successes are far below the lowest rate of `befores`, the exporter being there."""
        records, stopped, step = self.records, self.policy.stopped, self.counters.step
        seconds, present = window.window.seconds, self.counters.present
        rates = [earlier(records.successes(one), seconds // step) / one.seconds for one in befores]
        before = np.min(rates, axis=0)
        below = records.successes(window.window) < (
            stopped.factor * seconds * before - window.slack
        )
        most = stopped.confirm_factor * window.confirm.seconds * before
        half = earlier(present.astype(np.float64), seconds // 2 // step)
        below &= records.successes(window.confirm) < most
        return np.asarray(below & present & (half == 1.0))

    @cached_property
    def elevated(self) -> dict[Duration, Flags]:
        """(long's rows, codes) of each window."""
        records, elevated = self.records, self.policy.elevated
        share, first = records.usual_share(self.schedule.long), elevated.windows[0]
        hour, rest = records.long_count(first.confirm_window), records.rest(first.window)
        found = {}
        for one in elevated.windows:
            count = records.count(one.window)
            limit = _limit(count, share, one.floor, one.factor, one.root, one.of_ends)
            recent = _ratio(records.long_count(one.confirm_window))
            found[one.window] = (
                (count > limit)
                & (recent > one.confirm_factor * share)
                & (hour > _part(first.confirm_window, one.window, elevated.still) * count)
                & (rest > _part(first.window, one.window, elevated.still) * count)
            )
        return found

    @cached_property
    def new(self) -> Flags:
        """(long's rows, codes)"""
        records, new, day = self.records, self.policy.new, self.policy.baseline.window
        taken = self.schedule.long.at(records.count(day), self.schedule.snapshots.rows)
        length = new.memory.seconds - day.seconds
        seen = self._most(taken, length, new.window.seconds)
        known = self._most(ends(taken), length, new.learning.seconds)
        first = (records.long_count(new.window) > new.ends - 0.5) & ~(seen > 0)
        return np.asarray(first & ~np.isnan(known))

    @cached_property
    def budget(self) -> Flags:
        """(budget's rows,): where any pair of windows burns too fast."""
        budget = self.policy.budget
        allowed = 1 - budget.objective_of(self.counters.system)
        found = np.zeros(len(self.schedule.budget.rows), np.bool_)
        for one in budget.windows:
            most = one.factor * allowed
            (failures, ratio), (_, short) = (
                self.records.burnt(window) for window in (one.long, one.short)
            )
            found |= (ratio > most) & (short > most) & (failures > budget.failures)
        return found

    @property
    def _share(self) -> Floats:
        return self.records.usual_share(self.schedule.windows)

    def _most(self, taken: Floats, length: int, offset: int) -> Floats:
        """(long's rows, …): `max_over_time(taken[length] offset …)` of snapshots, in seconds; NaN without
        one."""
        rows, every, step = (
            self.schedule.long.rows,
            self.schedule.snapshots.every,
            self.counters.step,
        )
        last = (rows - offset // step) // every
        first = -((length // step - (rows - offset // step)) // every)
        found = np.full((len(rows), taken.shape[1]), np.nan)
        filled = np.where(np.isnan(taken), -np.inf, taken)
        for place, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            if end >= 0:
                found[place] = filled[max(begin, 0) : end + 1].max(axis=0)
        return np.where(np.isneginf(found), np.nan, found)


def held(begins: Flags, goes_on: Flags) -> Flags:
    """Where something began, and from there on as long as it goes on."""
    rows = np.arange(len(begins))
    began = np.maximum.accumulate(np.where(begins, rows, -1))
    ended = np.maximum.accumulate(np.where(begins | goes_on, -1, rows))
    return np.asarray(began > ended)


def _limit(
    count: Floats, share: Floats, floor: float, factor: float, root: float, of_ends: float
) -> Floats:
    among = ends(count)
    usual = share * among
    return np.asarray(floor + factor * usual + root * np.sqrt(usual) + of_ends * among, np.float64)


def _part(shorter: Duration, window: Duration, still: float) -> float:
    """What a shorter window must have of a window's count, when what made it is going on."""
    return still * shorter.seconds / window.seconds


def _ratio(counts: Floats) -> Floats:
    """Each code's part of all ends."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts / ends(counts), np.float64)
