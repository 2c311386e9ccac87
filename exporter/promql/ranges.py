"""Functions of range vectors, as in Prometheus' promql/functions.go."""

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.selector import Windows
from exporter.promql.value import Floats, Indexes, take

_NEAR: Final = 1.1
"""Largest distance to the range's edge for full extrapolation, in average sample distances."""

CAPS_FIRST = False
"""Whether the cap for an edge far from its sample is applied before the limit at 0, as in Prometheus 2.53.
False: the order of Prometheus 2.42."""


def _increase(windows: Windows) -> Floats:
    """As `extrapolatedRate`: the difference of last and first sample, extrapolated to the range's edges.

    An edge far from its sample counts half a sample distance; a counter is not extrapolated below 0.
    """
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
    before[:, 1:] = np.where(last >= 0, windows.values(np.maximum(last, 0)), np.nan)
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
    """The quantile of `values[low[i]:high[i]]` at each i, interpolated as in Prometheus.

    `low` and `high` ascend. NaN is the smallest value.
    """
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
        position = max(len(window) - 1, 0) * quantile
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
