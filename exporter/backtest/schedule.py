"""When each group of rules is evaluated, and which earlier result it reads.

In the rows of `Counters`, groups run in the order windows, budget, long, snapshots, baseline, alerts; a
result that a later group of this order made is one evaluation old. Prometheus gives every group an offset
of its own, so in a real one what is read is up to an interval old: the order here is one of those.
"""

from dataclasses import dataclass

import numpy as np

from exporter.backtest.counters import Floats, Rows
from exporter.errors import ConfigError
from exporter.policy.model import Duration, Policy


@dataclass(frozen=True, slots=True)
class Cadence:
    """A group that is evaluated at every `every`-th of `count` rows."""

    every: int
    count: int

    @property
    def rows(self) -> Rows:
        return np.arange(0, self.count, self.every)

    def at(self, values: Floats, rows: Rows) -> Floats:
        """The group's latest result at `rows`, its evaluation at the same instant included."""
        return np.asarray(values[rows // self.every], np.float64)

    def before(self, values: Floats, rows: Rows) -> Floats:
        """The group's latest result before `rows`; NaN at the first."""
        found = np.array(values[np.maximum(rows - 1, 0) // self.every], np.float64)
        found[rows == 0] = np.nan
        return found


@dataclass(frozen=True, slots=True)
class Schedule:
    """The cadences of all groups over so many rows."""

    windows: Cadence
    budget: Cadence
    long: Cadence
    snapshots: Cadence
    baseline: Cadence

    @classmethod
    def of(cls, policy: Policy, count: int) -> "Schedule":
        """Raises `ConfigError` when an interval is no multiple of the windows'."""
        intervals = policy.intervals
        step = intervals.windows.seconds

        def cadence(name: str, interval: Duration) -> Cadence:
            if interval.seconds % step:
                raise ConfigError(f"{name} = {interval}: must be a multiple of windows = {step}s")
            return Cadence(interval.seconds // step, count)

        return cls(
            Cadence(1, count),
            cadence("intervals.budget", intervals.budget),
            cadence("intervals.long", intervals.long),
            cadence("baseline.median_step", policy.baseline.median_step),
            cadence("intervals.baseline", intervals.baseline),
        )
