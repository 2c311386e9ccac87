"""The totals in memory: the durable counts, and the changes that a transaction would make."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

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
_FEW: Final = 16
"""Durations up to which a loop over them is faster than numpy."""


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
            sums = _sums_of_few if len(series) <= _FEW else _sums_of_many
            for cell, added, total in sums(series, durations):
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


def _sums_of_many(series: Sequence[Series], durations: Sequence[float | None]) -> list[Sum]:
    """The durations of each cell. A recovered interruption ended no session: its duration is not observed."""
    cells: dict[Cell, int] = {}
    numbers = {
        each: cells.setdefault((each.system, each.outcome), len(cells))
        for each in set(series)
        if each.family is not Family.INTERRUPTIONS
    }
    number = np.array([numbers.get(each, -1) for each in series], np.int64)
    seconds = np.array(durations, np.float64)
    valid = (number >= 0) & ~np.isnan(seconds)
    number, seconds = number[valid], seconds[valid]
    shape = (len(cells), len(BUCKETS) + 1)
    bucket = number * shape[1] + np.searchsorted(BUCKETS, seconds, side="left")
    counts = np.bincount(bucket, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(number, weights=seconds, minlength=len(cells))
    rows = zip(cells, counts.tolist(), sums.tolist(), strict=True)
    return [row for row in rows if any(row[1])]


def _sums_of_few(series: Sequence[Series], durations: Sequence[float | None]) -> list[Sum]:
    """`_sums_of_many`, event by event: for one event it takes a tenth of the time."""
    counts: dict[Cell, list[int]] = {}
    sums: dict[Cell, float] = {}
    for each, seconds in zip(series, durations, strict=True):
        if seconds is not None and each.family is not Family.INTERRUPTIONS:
            cell = (each.system, each.outcome)
            counts.setdefault(cell, [0] * (len(BUCKETS) + 1))[bisect_left(BUCKETS, seconds)] += 1
            sums[cell] = sums.get(cell, 0.0) + seconds
    return [(cell, added, sums[cell]) for cell, added in counts.items()]
