"""Functions of range vectors, as in Prometheus' promql/functions.go."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.quantile import interpolated
from exporter.promql.value import Flags, Floats, take
from exporter.promql.windows import Windows, fold

Result = tuple[Floats, Flags]
"""(series, instants): values, and where there are any."""
THRESHOLD: Final = 1.1
"""Mean distances between samples; a range's edge that is nearer is where the increase is stretched to."""


def _extrapolated(windows: Windows, counter: bool, per_second: bool) -> Result:
    """`extrapolatedRate`: the difference of last and first sample, stretched to the range's edges where
    these are near, though not below zero."""
    present = windows.with_count(2)
    first, last = windows.first(), windows.last()
    times = windows.samples.times
    begun = windows.values(first)
    result = windows.values(last) - begun
    if counter:
        corrections = _resets(windows)
        result += take(corrections, last) - take(corrections, first)
    sampled = (times[last] - times[first]) / 1000
    mean = sampled / (windows.count() - 1)
    to_start = (times[first] - (windows.end - windows.range)) / 1000
    to_end = (windows.end - times[last]) / 1000
    if counter:
        to_zero = sampled * (begun / result)
        below = (result > 0) & (begun >= 0) & (to_zero < to_start)
        to_start = np.where(below, to_zero, to_start)
    near, half = mean * THRESHOLD, mean / 2
    stretched = sampled + np.where(to_start < near, to_start, half)
    stretched += np.where(to_end < near, to_end, half)
    factor = stretched / sampled
    if per_second:
        factor /= windows.range / 1000
    return result * factor, present


def _resets(windows: Windows) -> Floats:
    """What a counter had before its resets until each sample."""
    samples = windows.samples
    before = _before(windows)
    return np.cumsum(np.where(samples.present & (samples.values < before), before, 0.0), axis=1)


def _before(windows: Windows) -> Floats:
    """The value of the sample before each place; NaN before the first."""
    samples = windows.samples
    result = np.full(samples.values.shape, np.nan)
    places = samples.last_present[:, :-1]
    earlier = windows.values(np.maximum(places, 0))
    result[:, 1:] = np.where(places >= 0, earlier, np.nan)
    return result


def _steps(windows: Windows, happened: Flags) -> Result:
    """How often something happened between a sample and the sample before it in the same window."""
    total = np.cumsum(windows.samples.present & happened, axis=1)
    steps = take(total, windows.last()) - take(total, windows.first())
    return steps.astype(np.float64), windows.with_count(1)


def _changes(windows: Windows) -> Result:
    before, values = _before(windows), windows.samples.values
    first = np.isnan(before) & np.isnan(values)
    return _steps(windows, (values != before) & ~first)


def _resets_counted(windows: Windows) -> Result:
    return _steps(windows, windows.samples.values < _before(windows))


def _last_two(windows: Windows, rate: bool) -> Result:
    """`instantValue`: the last sample against the sample before it."""
    samples, last = windows.samples, windows.last()
    previous = np.maximum(samples.last_present, 0)
    earlier = np.take_along_axis(previous, np.maximum(last - 1, 0), axis=1)
    now, then = windows.values(last), windows.values(earlier)
    result = np.where(now < then, now, now - then) if rate else now - then
    if rate:
        result = result / ((samples.times[last] - samples.times[earlier]) / 1000)
    return result, windows.with_count(2)


def _sum(windows: Windows) -> Result:
    return windows.fold(np.add, 0.0), windows.with_count(1)


def _average(windows: Windows) -> Result:
    return windows.fold(np.add, 0.0) / windows.count(), windows.with_count(1)


def _deviation(windows: Windows) -> Result:
    variance, present = _variance(windows)
    return np.sqrt(variance), present


def _variance(windows: Windows) -> Result:
    """Counts, means and squared deviations of two spans combined, after Chan, Golub and LeVeque."""

    def combined(left: Floats, right: Floats) -> Floats:
        count = left[0] + right[0]
        apart = right[1] - left[1]
        weight = right[0] / np.maximum(count, 1)
        mean = np.where(left[0] > 0, left[1] + apart * weight, right[1])
        mean = np.where(right[0] > 0, mean, left[1])
        between = np.where((left[0] > 0) & (right[0] > 0), apart**2 * left[0] * weight, 0.0)
        return np.stack([count, mean, left[2] + right[2] + between])

    samples = windows.samples
    present = samples.present.astype(np.float64)
    values = np.where(samples.present, samples.values, 0.0)
    squares = np.where(np.isfinite(values), 0.0, np.nan)
    table = np.stack([present, values, squares])
    count, _, total = fold(
        combined, table, windows.low, windows.high, np.zeros((3, len(samples.labels)))
    )
    return total / count, windows.with_count(1)


def quantile_over_time(windows: Windows, quantile: Floats) -> Result:
    """`quantile`, (instants,), of each window."""
    samples = windows.samples
    result = np.full((len(samples.labels), len(windows.end)), np.nan)
    # Most instants have the same samples as the instant before.
    changed = np.ones(len(windows.end), np.bool_)
    changed[1:] = (np.diff(windows.low) != 0) | (np.diff(windows.high) != 0)
    changed[1:] |= quantile[1:] != quantile[:-1]
    begins = np.flatnonzero(changed)
    repeats = np.diff(np.append(begins, len(changed)))
    for row, (values, present) in enumerate(zip(samples.values, samples.present, strict=True)):
        counted = samples.counted[row if len(samples.counted) > 1 else 0]
        low, high = counted[windows.low[begins]], counted[windows.high[begins]]
        quantiles = interpolated(values[present], low, high, quantile[begins])
        result[row] = np.repeat(quantiles, repeats)
    return result, windows.with_count(1)


def _last(windows: Windows) -> Result:
    return windows.values(windows.last()), windows.with_count(1)


def _count(windows: Windows) -> Result:
    present = windows.with_count(1)
    return np.broadcast_to(windows.count().astype(np.float64), present.shape), present


def _present(windows: Windows) -> Result:
    present = windows.with_count(1)
    return np.ones(present.shape), present


FUNCTIONS: Final[dict[str, Callable[[Windows], Result]]] = {
    "rate": lambda windows: _extrapolated(windows, counter=True, per_second=True),
    "increase": lambda windows: _extrapolated(windows, counter=True, per_second=False),
    "delta": lambda windows: _extrapolated(windows, counter=False, per_second=False),
    "irate": lambda windows: _last_two(windows, rate=True),
    "idelta": lambda windows: _last_two(windows, rate=False),
    "changes": _changes,
    "resets": _resets_counted,
    "avg_over_time": _average,
    "count_over_time": _count,
    "last_over_time": _last,
    "max_over_time": lambda windows: (windows.fold(np.fmax, np.nan), windows.with_count(1)),
    "min_over_time": lambda windows: (windows.fold(np.fmin, np.nan), windows.with_count(1)),
    "present_over_time": _present,
    "stddev_over_time": _deviation,
    "stdvar_over_time": _variance,
    "sum_over_time": _sum,
}
