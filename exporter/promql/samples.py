"""Samples of series with common timestamps, and the store that selectors read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from exporter.promql.expression import Selector
from exporter.promql.value import (
    METRIC_NAME,
    Flags,
    Floats,
    Indexes,
    Labels,
    Times,
    Vector,
    stacked,
    take,
)

SCRAPED: Final = -1
"""The writer of samples that no rule writes."""
LOOKBACK: Final = 5 * 60 * 1000
"""Milliseconds; the default of Prometheus."""


@dataclass(frozen=True)
class Samples:
    """A row per series, a column per timestamp; `times` ascend.

    `present` tells where a sample is; a stale marker is at the other timestamps.
    """

    times: Times
    labels: tuple[Labels, ...]
    values: Floats
    present: Flags

    def rows(self, rows: Sequence[int]) -> "Samples":
        if len(rows) == len(self.labels):
            return self
        labels = tuple(self.labels[row] for row in rows)
        return Samples(self.times, labels, self.values[rows], self.present[rows])

    # The arrays below have one row for all series when all series have samples at the same times.

    @cached_property
    def last_present(self) -> Indexes:
        """The last sample until each timestamp, -1 without any."""
        return _last_true(_shared(self.present))

    @cached_property
    def first_present(self) -> Indexes:
        """The first sample from each timestamp on; the number of timestamps without any."""
        flags = _shared(self.present)
        return np.asarray(flags.shape[1] - 1 - _last_true(flags[:, ::-1])[:, ::-1])

    @cached_property
    def counted(self) -> Indexes:
        """The number of samples before each timestamp, and of all samples in the last column."""
        return np.pad(np.cumsum(_shared(self.present), axis=1), ((0, 0), (1, 0)))


class Store:
    """Samples by metric name. The writer of samples is the index of a rule, or `SCRAPED`."""

    def __init__(self, samples: Iterable[Samples] = ()) -> None:
        self._samples: dict[str, dict[int, list[Samples]]] = {}
        for scraped in samples:
            self.add(scraped)

    def add(self, samples: Samples, writer: int = SCRAPED) -> None:
        # Series with samples at the same times share the arrays of indexes, which take most of the time.
        parts: dict[tuple[str, bytes], list[int]] = {}
        for row, labels in enumerate(samples.labels):
            part = dict(labels).get(METRIC_NAME, ""), samples.present[row].tobytes()
            parts.setdefault(part, []).append(row)
        for (name, _), rows in parts.items():
            self._samples.setdefault(name, {}).setdefault(writer, []).append(samples.rows(rows))

    def discard(self, writer: int) -> None:
        for written in self._samples.values():
            written.pop(writer, None)

    def select(
        self, selector: Selector, at: Times, rule: int | None
    ) -> Iterator[tuple[Samples, Times]]:
        """The samples of the series that match, and the latest visible time at each instant.

        The rule with index `rule` does not see samples that it or a later rule writes at the same instant.
        """
        for name in self._samples if selector.name is None else (selector.name,):
            for writer, written in self._samples.get(name, {}).items():
                later = rule is not None and writer >= rule and selector.offset == 0
                for samples in written:
                    rows = [
                        row
                        for row, labels in enumerate(map(dict, samples.labels))
                        if all(
                            matcher.matches(labels.get(matcher.name, ""))
                            for matcher in selector.matchers
                        )
                    ]
                    if rows:
                        yield samples.rows(rows), at - selector.offset - int(later)

    def instant(self, selector: Selector, at: Times, rule: int | None) -> Vector:
        """The last sample of each series within the lookback, unless a stale marker follows it."""
        parts = []
        for samples, visible in self.select(selector, at, rule):
            column = np.searchsorted(samples.times, visible, side="right") - 1
            last = column[np.newaxis]
            age = at - selector.offset - samples.times[column]
            present = (column >= 0) & (age <= LOOKBACK) & take(samples.present, last)
            values = take(samples.values, last)
            parts.append(Vector(samples.labels, values, present))
        return stacked(parts, len(at))


def _last_true(flags: Flags) -> Indexes:
    indexes = np.where(flags, np.arange(flags.shape[-1]), -1)
    return np.asarray(np.maximum.accumulate(indexes, axis=-1))


def _shared(flags: Flags) -> Flags:
    return flags[:1] if len(flags) > 1 and bool((flags == flags[0]).all()) else flags
