"""The samples in a range before each instant, and what is computed of them for all instants at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import Flags, Floats, Rows, Times, take

Operation = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Windows:
    """At instant i the samples at the places `low[i]` to before `high[i]` that are present.

    The range is `range` milliseconds long and ends at `end[i]`. Arrays of places have a row per series,
    or one row where it is the same for all series.
    """

    samples: Samples
    end: Times
    range: int
    low: Rows
    high: Rows

    @classmethod
    def of(
        cls, samples: Samples, end: Times, limit: Times, range_: int, left_open: bool
    ) -> "Windows":
        """No sample after `limit` is in a window, though the range goes on to `end`."""
        start = end - range_ + (1 if left_open else 0)
        low = np.searchsorted(samples.times, start)
        high = np.searchsorted(samples.times, limit, side="right")
        return cls(samples, end, range_, low, np.maximum(low, high))

    def count(self) -> Rows:
        """(series or 1, instants): the number of samples."""
        counted = self.samples.counted
        return np.asarray(counted.take(self.high, axis=1) - counted.take(self.low, axis=1))

    def with_count(self, least: int) -> Flags:
        """(series, instants): where there are at least so many samples."""
        flags = self.count() >= least
        return np.broadcast_to(flags, (len(self.samples.labels), len(self.end))).copy()

    def first(self) -> Rows:
        """The place of the first sample; anything where there is none."""
        column = np.minimum(self.low, max(len(self.samples.times) - 1, 0))
        places = self.samples.first_present.take(column, axis=1)
        return np.minimum(places, len(self.samples.times) - 1)

    def last(self) -> Rows:
        """The place of the last sample; anything where there is none."""
        places = self.samples.last_present.take(np.maximum(self.high - 1, 0), axis=1)
        return np.maximum(places, 0)

    def values(self, places: Rows) -> Floats:
        return take(self.samples.values, places)

    def fold(self, operation: Operation, absent: float) -> Floats:
        """(series, instants): the operation, which is associative, over the values of each window;
        `absent` is its neutral element."""
        table = np.where(self.samples.present, self.samples.values, absent)
        return fold(
            operation, table, self.low, self.high, np.full(len(self.samples.labels), absent)
        )


def fold(operation: Operation, table: Floats, low: Rows, high: Rows, neutral: Floats) -> Floats:
    """`operation` over `table[..., low[i]:high[i]]` for each i.

    Each window is taken apart into spans of powers of two, whose results are built up from each other. A
    difference of running sums would be faster, and would leave rounding errors where a sum is 0.
    """
    result = np.repeat(neutral[..., np.newaxis], len(low), axis=-1)
    length = high - low
    place, span = low.copy(), 1
    longest = int(length.max(initial=0))
    while span <= longest:
        chosen = (length & span).astype(np.bool_)
        if chosen.all():
            result = operation(result, table.take(place, axis=-1))
            place += span
        elif chosen.any():
            some = np.flatnonzero(chosen)
            result[..., some] = operation(result[..., some], table.take(place[some], axis=-1))
            place[some] += span
        table = operation(table[..., :-span], table[..., span:])
        span *= 2
    return result
