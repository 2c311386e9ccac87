"""Range vectors, and their functions as in Prometheus' promql/functions.go."""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import Flags, Floats, Indexes, Times, take

_NEAR: Final = 1.1
"""Largest distance to the range's edge for full extrapolation, in average sample distances."""

CAPS_FIRST = False
"""Whether the cap for an edge far from its sample is applied before the limit at 0: Prometheus 2.42 applies
it after the limit, 2.53 before. Only tests set it, to what the installed Prometheus does."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Ranges of samples: at instant i the samples with indexes from `low[i]` to before `high[i]`.

    The range has `length` milliseconds and ends at `end[i]`. Indexes that a method returns have a row per
    series, or one row for all.
    """

    samples: Samples
    end: Times
    length: int
    low: Indexes
    high: Indexes

    @classmethod
    def of(cls, samples: Samples, end: Times, visible: Times, length: int) -> "Windows":
        """The last samples are at `visible`, which may be earlier than `end`."""
        low = np.searchsorted(samples.times, end - length)
        high = np.searchsorted(samples.times, visible, side="right")
        return cls(samples, end, length, low, high)

    def count(self) -> Indexes:
        counted = self.samples.counted
        return np.asarray(counted.take(self.high, axis=1) - counted.take(self.low, axis=1))

    def at_least(self, count: int) -> Flags:
        """(series, instants): whether there are at least `count` samples."""
        flags = self.count() >= count
        return np.broadcast_to(flags, (len(self.samples.labels), len(self.end))).copy()

    def first(self) -> Indexes:
        """The index of the first sample, undefined without any."""
        last = len(self.samples.times) - 1
        return np.minimum(self.samples.first_present.take(np.minimum(self.low, last), axis=1), last)

    def last(self) -> Indexes:
        """The index of the last sample, undefined without any."""
        return self.samples.last_present.take(self.high - 1, axis=1)

    def values(self, indexes: Indexes) -> Floats:
        return take(self.samples.values, indexes)

    def fold(self, operation: np.ufunc, neutral: float) -> Floats:
        """A ufunc's reduction of the values of each window; undefined without any sample."""
        # A difference of running sums would be faster, but leaves rounding errors where a sum is 0.
        table = np.where(self.samples.present, self.samples.values, neutral)
        # `high` may be after the last sample. Every other result is of the time between two windows.
        table = np.pad(table, ((0, 0), (0, 1)), constant_values=neutral)
        edges = np.stack([self.low, self.high], axis=1).ravel()
        return np.asarray(operation.reduceat(table, edges, axis=1)[:, ::2])


def _increase(windows: Windows) -> Floats:
    """As `extrapolatedRate`: the difference of last and first sample, extrapolated to the range's edges."""
    # An edge far from its sample counts half a sample distance; a counter is not extrapolated below 0.
    first, last = windows.first(), windows.last()
    times = windows.samples.times
    begin = windows.values(first)
    resets = _lost_by_resets(windows)
    result = windows.values(last) - begin + (take(resets, last) - take(resets, first))
    sampled = (times[last] - times[first]) / 1000
    average = sampled / (windows.count() - 1)
    to_start = (times[first] - (windows.end - windows.length)) / 1000
    to_end = (windows.end - times[last]) / 1000
    if CAPS_FIRST:
        to_start = _capped(to_start, average)
    to_zero = sampled * (begin / result)
    below = (result > 0) & (begin >= 0) & (to_zero < to_start)
    to_start = np.where(below, to_zero, to_start)
    extrapolated = sampled + _capped(to_start, average) + _capped(to_end, average)
    return np.asarray(result * (extrapolated / sampled))


def _capped(distance: Floats, average: Floats) -> Floats:
    return np.where(distance < average * _NEAR, distance, average / 2)


def _lost_by_resets(windows: Windows) -> Floats:
    """The sum of a counter's values just before its resets, up to each sample."""
    samples = windows.samples
    before = np.full(samples.values.shape, np.nan)
    last = samples.last_present[:, :-1]
    before[:, 1:] = np.where(last >= 0, windows.values(last), np.nan)
    return np.cumsum(np.where(samples.present & (samples.values < before), before, 0.0), axis=1)


def quantile_over_time(windows: Windows, quantile: float) -> Floats:
    samples = windows.samples
    result = np.full((len(samples.labels), len(windows.end)), np.nan)
    # Most instants have the same samples as the instant before.
    changed = np.ones(len(windows.end), np.bool_)
    changed[1:] = (np.diff(windows.low) != 0) | (np.diff(windows.high) != 0)
    columns = np.flatnonzero(changed)
    repeats = np.diff(np.append(columns, len(changed)))
    for row, (values, present) in enumerate(zip(samples.values, samples.present, strict=True)):
        counted = samples.counted[row if len(samples.counted) > 1 else 0]
        low, high = counted[windows.low[columns]], counted[windows.high[columns]]
        result[row] = np.repeat(_quantiles(values[present], low, high, quantile), repeats)
    return result


def _quantiles(values: Floats, low: Indexes, high: Indexes, quantile: float) -> Floats:
    """Quantiles of `values[low[i]:high[i]]` as in Prometheus; `low` and `high` ascend, NaN is smallest."""
    if not len(values):
        return np.full(len(low), np.nan)
    order = np.lexsort((values, ~np.isnan(values)))
    ranks = np.argsort(order).tolist()
    window: list[int] = []
    begin = end = 0
    below, above, weights = [], [], []
    for first, last in zip(low.tolist(), high.tolist(), strict=True):
        for rank in ranks[end:last]:
            insort(window, rank)
        for rank in ranks[begin:first]:
            del window[bisect_left(window, rank)]
        begin, end = first, last
        position = (len(window) - 1) * quantile
        lower = int(position)
        below.append(window[lower] if window else 0)
        above.append(window[min(lower + 1, len(window) - 1)] if window else 0)
        weights.append(position - lower)
    weight = np.array(weights)
    return np.asarray(values[order[below]] * (1 - weight) + values[order[above]] * weight)


TWO_SAMPLES: Final = frozenset(("rate", "increase"))
"""Functions that need two samples; all others need one."""
FUNCTIONS: Final[dict[str, Callable[[Windows], Floats]]] = {
    "rate": lambda windows: _increase(windows) / (windows.length / 1000),
    "increase": _increase,
    "avg_over_time": lambda windows: windows.fold(np.add, 0.0) / windows.count(),
    "count_over_time": lambda windows: windows.count().astype(np.float64),
    "last_over_time": lambda windows: windows.values(windows.last()),
    "max_over_time": lambda windows: windows.fold(np.fmax, np.nan),
    "min_over_time": lambda windows: windows.fold(np.fmin, np.nan),
    "sum_over_time": lambda windows: windows.fold(np.add, 0.0),
}
