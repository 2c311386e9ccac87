"""One system's counters as Prometheus' first recording rule has them, and range functions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
_THRESHOLD: Final = 1.1
"""Average distances between samples that a range's edge may be away for the count to be stretched to it."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Row i is the instant `start + i * step` (Unix seconds): an evaluation of the rules.

    `totals`, (rows, codes), are the sums of each code's ends; `present`, (rows,), is False where the last
    scrape failed, so that the rule gave no sample. Counters don't reset: the exporter's survive restarts.
    """

    system: str
    start: float
    step: int
    codes: tuple[str, ...]
    totals: NDArray[np.int64]
    present: NDArray[np.bool_]

    def times(self, rows: Rows) -> Floats:
        return np.asarray(self.start + rows * float(self.step), np.float64)


class Ranges:
    """`increase` over `Counters`, as Prometheus computes it.

    The arithmetic is `extrapolatedRate` of Prometheus' promql/functions.go: the difference of the first
    and last sample is stretched to the range's edges where these are near, but not below zero. A range
    is a second longer than its window, as the rules write it.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        rows = np.arange(len(counters.present))
        last = np.where(counters.present, rows, -1)
        self._last = np.maximum.accumulate(last)
        beyond = len(rows)
        first = np.where(counters.present, rows, beyond)
        self._first = np.minimum.accumulate(first[::-1])[::-1]
        self._seen = np.cumsum(counters.present)

    def increase(self, rows: Rows, window: int) -> Floats:
        """(rows, codes): ends in the last `window` seconds before each row; NaN without two samples."""
        begin = np.maximum(rows - window // self._counters.step, 0)
        first, last = self._first[begin], self._last[rows]
        there = last > first
        step, totals = self._counters.step, self._counters.totals
        result = np.full((len(rows), len(self._counters.codes)), np.nan)
        first, last, rows = first[there], last[there], rows[there]
        sampled = (last - first) * float(step)
        apart = sampled / (self._seen[last] - self._seen[first])
        before = (first - rows) * float(step) + window + 1.0
        after = (rows - last) * float(step)
        begun = totals[first].astype(np.float64)
        counted = totals[last] - begun
        with np.errstate(divide="ignore", invalid="ignore"):
            to_zero = sampled[:, np.newaxis] * (begun / counted)
        before_each = np.where(
            (counted > 0) & (to_zero < before[:, np.newaxis]), to_zero, before[:, np.newaxis]
        )
        near = (apart * _THRESHOLD)[:, np.newaxis]
        half = (apart / 2)[:, np.newaxis]
        stretched = sampled[:, np.newaxis] + np.where(before_each < near, before_each, half)
        stretched += np.where(after[:, np.newaxis] < near, after[:, np.newaxis], half)
        result[there] = counted * (stretched / sampled[:, np.newaxis])
        return result


def highest(values: Floats, span: int) -> Floats:
    """`max_over_time`: the largest of each row and the `span` before it, NaN left out."""
    found, covered = values, 1
    while covered <= span:
        # Twice as far with each step, as far as it goes.
        step = min(covered, span + 1 - covered)
        earlier = np.full(values.shape, np.nan)
        earlier[step:] = found[:-step]
        found = np.fmax(found, earlier)
        covered += step
    return found
