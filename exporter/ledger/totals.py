"""The totals in memory: the durable counts, and the changes that a transaction would make."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from exporter.ledger.contract import (
    BUCKETS,
    Batch,
    Cell,
    DurationTotal,
    Exemplar,
    Family,
    Series,
    Total,
)

Sum = tuple[Cell, list[int], float]
"""A cell, its durations by bucket, and their sum in seconds."""


@dataclass(frozen=True, slots=True)
class Changes:
    """New totals of the series and histograms that a transaction touches; not published yet.

    `renamed` are the former names of series: rows to delete.
    """

    series: list[Total]
    durations: list[DurationTotal]
    renamed: Sequence[str] = ()


class RunningTotals:
    """The durable totals by series. The writer computes changes, stores them, and then publishes them.

    One thread changes and publishes. `series` and `durations` may be called from any thread, because a
    published total is replaced and never altered.
    """

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, ...], Total] = {}
        self._durations: dict[Cell, DurationTotal] = {}

    def series(self) -> list[Total]:
        return list(self._by_key.values())

    def durations(self) -> list[DurationTotal]:
        return list(self._durations.values())

    def publish(self, changes: Changes) -> None:
        """Show totals that are durable now."""
        # One call, which no other thread interrupts: a scrape must not see an end without its repeat.
        self._by_key.update({total.series.key: total for total in changes.series})
        for duration in changes.durations:
            self._durations[(duration.system, duration.outcome)] = duration

    def missing(self, series: Iterable[Series], cells: Iterable[Cell]) -> Changes:
        """Totals of 0 for the series and cells that have none."""
        return Changes(
            [Total(each, 0) for each in series if each.key not in self._by_key],
            [_empty(cell) for cell in cells if cell not in self._durations],
        )

    def change(self, events: Batch, now: float, repeats: Sequence[Series] = ()) -> Changes:
        """The totals after these events are counted; `repeats` are the series of ends that are repeats."""
        series, durations = events.series, events.durations
        last: dict[Series, str] = {}
        if events.sessions is not None:
            pairs = zip(series, events.sessions, strict=True)
            last = {each: session for each, session in pairs if session is not None}
        changed: dict[tuple[str, ...], Total] = {}
        for each, count in Counter(series).items():
            key = each.key
            old = changed.get(key) or self._by_key.get(key) or Total(each, 0, delayed=True)
            exemplar = Exemplar(last[each], now) if each in last else old.exemplar
            value = old.value + count
            changed[key] = Total(old.series, value, old.delayed, exemplar)
        for each, count in Counter(repeats).items() if repeats else ():
            key = (Family.REPEATS.value, *each.key[1:])
            old = self._by_key.get(key) or Total(each.of_repeats(), 0)
            changed[key] = replace(old, value=old.value + count)
        observed = []
        if durations is not None:
            for cell, added, total in _sums(series, durations):
                histogram = self._durations.get(cell) or _empty(cell)
                counts = tuple(map(int.__add__, histogram.counts, added))
                observed.append(replace(histogram, counts=counts, total=histogram.total + total))
        return Changes(list(changed.values()), observed)

    def end_delays(self, series: Iterable[Series]) -> Changes:
        """The present totals of the series, no longer delayed."""
        totals = (self._by_key[each.key] for each in series)
        return Changes([replace(total, delayed=False) for total in totals], [])


def _empty(cell: Cell) -> DurationTotal:
    return DurationTotal(*cell, counts=(0,) * (len(BUCKETS) + 1), total=0.0)


def _sums(series: Sequence[Series], durations: Sequence[float | None]) -> Iterator[Sum]:
    """The durations of each cell. A recovered interruption ended no session: its duration is not observed."""
    by_series: dict[Series, list[float]] = defaultdict(list)
    for each, seconds in zip(series, durations, strict=True):
        if seconds is not None:
            by_series[each].append(seconds)
    cells: dict[Cell, list[float]] = defaultdict(list)
    for each, values in by_series.items():
        if each.family is not Family.INTERRUPTIONS:
            cells[each.system, each.outcome] += values
    for cell, values in cells.items():
        # In C: for a thousand durations, a loop takes twice as long.
        counts = Counter(map(bisect_left, repeat(BUCKETS), values))
        yield cell, [counts[bucket] for bucket in range(len(BUCKETS) + 1)], sum(values)
