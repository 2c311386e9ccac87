"""Samples of series that share their timestamps, and a store of them as an evaluation sees it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exporter.promql.expression import Matcher, Selector
from exporter.promql.value import METRIC_NAME, Flags, Floats, Labels, Rows, Times


@dataclass(frozen=True)
class Samples:
    """A row per series, a column per timestamp.

    `present` says where there is a sample, `stale` where there is a stale marker; where neither is, a
    scrape is missing, and the last sample before counts until the lookback ends. `times` ascend.
    """

    times: Times
    labels: tuple[Labels, ...]
    values: Floats
    present: Flags
    stale: Flags

    @classmethod
    def of(
        cls,
        times: Times,
        labels: Iterable[Labels],
        values: Floats,
        present: Flags,
        gaps: bool = False,
    ) -> "Samples":
        """What a target or a rule wrote: a stale marker where a series has no sample, or a gap."""
        return cls(
            times, tuple(labels), values, present, np.zeros_like(present) if gaps else ~present
        )

    def rows(self, places: list[int]) -> "Samples":
        if len(places) == len(self.labels):
            return self
        labels = tuple(self.labels[place] for place in places)
        return Samples(
            self.times, labels, self.values[places], self.present[places], self.stale[places]
        )

    def between(self, first: int, last: int) -> "Samples":
        """Only timestamps from `first` to before `last`, in milliseconds."""
        begin, end = np.searchsorted(self.times, (first, last)).tolist()
        part = slice(begin, end)
        return Samples(
            self.times[part],
            self.labels,
            self.values[:, part],
            self.present[:, part],
            self.stale[:, part],
        )

    @cached_property
    def last_known(self) -> Rows:
        """(series or 1, timestamps): the place of the last sample or marker until there, -1 for none."""
        return last_true(_same(self.present | self.stale))

    @cached_property
    def last_present(self) -> Rows:
        """(series or 1, timestamps): the place of the last sample until there, -1 for none."""
        return last_true(self.shared_present)

    @cached_property
    def first_present(self) -> Rows:
        """(series or 1, timestamps): the place of the first sample from there on, or their number."""
        flags = self.shared_present
        return np.asarray(flags.shape[1] - 1 - last_true(flags[:, ::-1])[:, ::-1])

    @cached_property
    def counted(self) -> Rows:
        """(series or 1, timestamps + 1): the number of samples before each place."""
        result = np.zeros((len(self.shared_present), len(self.times) + 1), np.intp)
        np.cumsum(self.shared_present, axis=1, out=result[:, 1:])
        return result

    @cached_property
    def shared_present(self) -> Flags:
        """`present`, of one row where it is the same for all series."""
        return _same(self.present)


@dataclass(frozen=True, slots=True)
class Stored:
    """Samples with the place of their rule among all rules; -1 for those that no rule writes."""

    samples: Samples
    place: int


class Store:
    """Samples by metric name."""

    def __init__(self, samples: Iterable[Samples] = ()) -> None:
        self._stored: dict[str, dict[int, list[Samples]]] = {}
        for scraped in samples:
            self.add(scraped)

    def add(self, samples: Samples, place: int = -1) -> None:
        names: dict[str, list[int]] = {}
        for row, labels in enumerate(samples.labels):
            names.setdefault(dict(labels).get(METRIC_NAME, ""), []).append(row)
        for name, rows in names.items():
            self._stored.setdefault(name, {}).setdefault(place, []).append(samples.rows(rows))

    def replace(self, samples: Samples, place: int) -> None:
        """Takes `samples` instead of all that the rule at `place` wrote before."""
        self.discard(place)
        self.add(samples, place)

    def discard(self, place: int) -> None:
        for places in self._stored.values():
            places.pop(place, None)

    def select(self, selector: Selector) -> Iterator[Stored]:
        """The samples of the series that match."""
        names = self._stored if selector.name is None else (selector.name,)
        for name in names:
            for place, written in self._stored.get(name, {}).items():
                for samples in written:
                    rows = matching(selector.matchers, samples.labels)
                    if rows:
                        yield Stored(samples.rows(rows), place)


def matching(matchers: Iterable[Matcher], rows: Iterable[Labels]) -> list[int]:
    """The places of the label sets that all matchers match."""
    matchers = tuple(matchers)
    return [
        place
        for place, labels in enumerate(map(dict, rows))
        if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
    ]


def last_true(flags: Flags) -> Rows:
    """The place of the last True until each place, along the last axis; -1 for none."""
    places = np.where(flags, np.arange(flags.shape[-1]), -1)
    return np.asarray(np.maximum.accumulate(places, axis=-1))


def _same(flags: Flags) -> Flags:
    return flags[:1] if len(flags) > 1 and bool((flags == flags[0]).all()) else flags
