"""Selectors: the last sample at each instant, and the samples of a range before each instant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.promql.expression import Range, Selector
from exporter.promql.samples import Samples, Store
from exporter.promql.value import Flags, Floats, Indexes, Times, Vector, stacked, take

LOOKBACK: Final = 5 * 60 * 1000
"""Milliseconds; the default of Prometheus."""


def _visible(selector: Selector, wanted: Times, writer: int, rule: int | None) -> Times:
    """The latest visible times, for samples by `writer`.

    The rule with index `rule` does not see samples that it or a later rule writes at the same instant.
    """
    later = rule is not None and writer >= rule and selector.offset == 0
    return wanted - 1 if later else wanted


def instant(store: Store, selector: Selector, at: Times, rule: int | None) -> Vector:
    """The last sample of each series within the lookback, unless a stale marker follows it."""
    wanted = at - selector.offset
    parts = []
    for writer, samples in store.select(selector):
        visible = _visible(selector, wanted, writer, rule)
        column = np.searchsorted(samples.times, visible, side="right") - 1
        last = np.where(
            column >= 0, take(samples.last_known, np.maximum(column, 0)[np.newaxis]), -1
        )
        fresh = (last >= 0) & (wanted - samples.times[last] <= LOOKBACK)
        last = np.maximum(last, 0)
        present = take(samples.present, last) & fresh
        parts.append(Vector(samples.labels, take(samples.values, last), present))
    return stacked(parts, len(wanted))


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
        return cls(samples, end, length, low, np.maximum(low, high))

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
        last = self.samples.last_present.take(np.maximum(self.high - 1, 0), axis=1)
        return np.maximum(last, 0)

    def values(self, indexes: Indexes) -> Floats:
        return take(self.samples.values, indexes)

    def fold(self, operation: Callable[[Floats, Floats], Floats], neutral: float) -> Floats:
        """An associative operation over the values of each window.

        Combines spans of powers of two. A difference of running sums would be faster, but leaves rounding
        errors where a sum is 0.
        """
        table = np.where(self.samples.present, self.samples.values, neutral)
        result = np.full((len(table), len(self.low)), neutral)
        length = self.high - self.low
        start, span = self.low.copy(), 1
        longest = int(length.max(initial=0))
        while span <= longest:
            columns = np.flatnonzero(length & span)
            if len(columns) == len(length):
                result = operation(result, table.take(start, axis=1))
                start += span
            elif len(columns):
                part = table.take(start[columns], axis=1)
                result[:, columns] = operation(result[:, columns], part)
                start[columns] += span
            table = operation(table[:, :-span], table[:, span:])
            span *= 2
        return result


def windows(store: Store, node: Range, at: Times, rule: int | None) -> list[Windows]:
    """The windows of a range selector, separately for each set of samples with common timestamps."""
    selector, end = node.selector, at - node.selector.offset
    return [
        Windows.of(samples, end, _visible(selector, end, writer, rule), node.length)
        for writer, samples in store.select(selector)
    ]
