"""Functions of range vectors, as in Prometheus' promql/functions.go."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.quantile import of_windows
from exporter.promql.selector import Windows
from exporter.promql.value import Flags, Floats, take

_NEAR: Final = 1.1
"""Average sample distances from the range's edge, up to which a rate is extrapolated to the edge."""


def _extrapolated(windows: Windows, counter: bool, per_second: bool) -> Floats:
    """As `extrapolatedRate`: the difference of last and first sample, extrapolated to the range's edges.

    An edge far from its sample counts half a sample distance; a counter is not extrapolated below 0.
    """
    first, last = windows.first(), windows.last()
    times = windows.samples.times
    begin = windows.values(first)
    result = windows.values(last) - begin
    if counter:
        resets = _lost_by_resets(windows)
        result += take(resets, last) - take(resets, first)
    sampled = (times[last] - times[first]) / 1000
    average = sampled / (windows.count() - 1)
    to_start = (times[first] - (windows.end - windows.length)) / 1000
    to_end = (windows.end - times[last]) / 1000
    if counter:
        to_zero = sampled * (begin / result)
        below = (result > 0) & (begin >= 0) & (to_zero < to_start)
        to_start = np.where(below, to_zero, to_start)
    extrapolated = sampled + np.where(to_start < average * _NEAR, to_start, average / 2)
    extrapolated += np.where(to_end < average * _NEAR, to_end, average / 2)
    factor = extrapolated / sampled
    return result * (factor / (windows.length / 1000) if per_second else factor)


def _lost_by_resets(windows: Windows) -> Floats:
    """The sum of a counter's values before its resets, until each sample."""
    samples, before = windows.samples, _before(windows)
    return np.cumsum(np.where(samples.present & (samples.values < before), before, 0.0), axis=1)


def _before(windows: Windows) -> Floats:
    """The value of the sample before each timestamp; NaN before the first."""
    samples = windows.samples
    result = np.full(samples.values.shape, np.nan)
    last = samples.last_present[:, :-1]
    result[:, 1:] = np.where(last >= 0, windows.values(np.maximum(last, 0)), np.nan)
    return result


def _count_steps(windows: Windows, matching: Flags) -> Floats:
    """The number of samples that match in relation to the sample before them in the window."""
    total = np.cumsum(windows.samples.present & matching, axis=1)
    return np.asarray(take(total, windows.last()) - take(total, windows.first()), np.float64)


def _changes(windows: Windows) -> Floats:
    before, values = _before(windows), windows.samples.values
    return _count_steps(windows, (values != before) & ~(np.isnan(before) & np.isnan(values)))


def _resets(windows: Windows) -> Floats:
    return _count_steps(windows, windows.samples.values < _before(windows))


def _last_two(windows: Windows, rate: bool) -> Floats:
    """As `instantValue`: the difference of the last two samples."""
    samples, last = windows.samples, windows.last()
    previous = np.maximum(samples.last_present, 0)
    earlier = np.take_along_axis(previous, np.maximum(last - 1, 0), axis=1)
    now, then = windows.values(last), windows.values(earlier)
    if not rate:
        return now - then
    difference = np.where(now < then, now, now - then)
    return np.asarray(difference / ((samples.times[last] - samples.times[earlier]) / 1000))


def _variance(windows: Windows) -> Floats:
    """Combines counts, means and squared deviations of two spans, after Chan, Golub and LeVeque."""

    def combined(left: Floats, right: Floats) -> Floats:
        count = left[0] + right[0]
        distance = right[1] - left[1]
        weight = right[0] / np.maximum(count, 1)
        mean = left[1] + distance * weight
        return np.stack([count, mean, left[2] + right[2] + distance**2 * left[0] * weight])

    present = windows.samples.present
    values = np.where(present, windows.samples.values, 0.0)
    squares = np.where(np.isfinite(values), 0.0, np.nan)
    table = np.stack([present.astype(np.float64), values, squares])
    count, _, total = windows.fold(combined, 0.0, table)
    return np.asarray(total / count)


def quantile_over_time(windows: Windows, quantile: Floats) -> Floats:
    """`quantile`, (instants,), of each window."""
    samples = windows.samples
    result = np.full((len(samples.labels), len(windows.end)), np.nan)
    # Most instants have the same samples as the instant before.
    changed = np.ones(len(windows.end), np.bool_)
    changed[1:] = (np.diff(windows.low) != 0) | (np.diff(windows.high) != 0)
    changed[1:] |= quantile[1:] != quantile[:-1]
    columns = np.flatnonzero(changed)
    repeats = np.diff(np.append(columns, len(changed)))
    for row, (values, present) in enumerate(zip(samples.values, samples.present, strict=True)):
        counted = samples.counted[row if len(samples.counted) > 1 else 0]
        low, high = counted[windows.low[columns]], counted[windows.high[columns]]
        quantiles = of_windows(values[present], low, high, quantile[columns])
        result[row] = np.repeat(quantiles, repeats)
    return result


TWO_SAMPLES: Final = frozenset(("rate", "increase", "delta", "irate", "idelta"))
"""Functions that need two samples; all others need one."""
FUNCTIONS: Final[dict[str, Callable[[Windows], Floats]]] = {
    "rate": lambda windows: _extrapolated(windows, counter=True, per_second=True),
    "increase": lambda windows: _extrapolated(windows, counter=True, per_second=False),
    "delta": lambda windows: _extrapolated(windows, counter=False, per_second=False),
    "irate": lambda windows: _last_two(windows, rate=True),
    "idelta": lambda windows: _last_two(windows, rate=False),
    "changes": _changes,
    "resets": _resets,
    "avg_over_time": lambda windows: windows.fold(np.add, 0.0) / windows.count(),
    "count_over_time": lambda windows: windows.count().astype(np.float64),
    "last_over_time": lambda windows: windows.values(windows.last()),
    "max_over_time": lambda windows: windows.fold(np.fmax, np.nan),
    "min_over_time": lambda windows: windows.fold(np.fmin, np.nan),
    "present_over_time": lambda windows: np.ones((1, len(windows.end))),
    "stddev_over_time": lambda windows: np.sqrt(_variance(windows)),
    "stdvar_over_time": _variance,
    "sum_over_time": lambda windows: windows.fold(np.add, 0.0),
}
