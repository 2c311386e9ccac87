"""The totals in memory: what is durable, and what a transaction on its way would make of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from exporter.ledger.contract import (
    BUCKETS,
    DurationTotal,
    Exemplar,
    Family,
    Series,
    Total,
)

Cell = tuple[str, str]
"""The (system, outcome) of a duration histogram."""


@dataclass(frozen=True, slots=True)
class Changes:
    """New totals of the series and histograms that a group touches; nothing shows them yet."""

    series: list[Total]
    durations: list[DurationTotal]


class RunningTotals:
    """Durable totals by series. The writer computes changes, stores them, and only then publishes.

    One thread calls `change` and `publish`; `totals` and `durations` may be read from any thread,
    because a published entry is replaced whole and never altered.
    """

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, ...], Total] = {}
        self._keys: dict[Series, tuple[str, ...]] = {}
        self._durations: dict[Cell, DurationTotal] = {}

    def series(self) -> list[Total]:
        return list(self._by_key.values())

    def durations(self) -> list[DurationTotal]:
        return list(self._durations.values())

    def delayed(self) -> list[Total]:
        return [total for total in self.series() if total.delayed]

    def publish(self, changes: Changes) -> None:
        """Show totals that are now on disk."""
        for total in changes.series:
            self._by_key[self._key(total.series)] = total
        for duration in changes.durations:
            self._durations[(duration.system, duration.outcome)] = duration

    def missing(self, series: Iterable[Series], cells: Iterable[Cell], now: float) -> Changes:
        """Totals of 0, created `now` (Unix seconds), for those have no total yet."""
        return Changes(
            [Total(one, 0, now) for one in series if self._key(one) not in self._by_key],
            [_empty(cell, now) for cell in cells if cell not in self._durations],
        )

    def change(
        self,
        series: Sequence[Series],
        durations: Sequence[float | None] | None,
        sessions: Sequence[str | None] | None,
        now: float,
    ) -> Changes:
        """What counting these events makes of the totals; the columns are as in `Batch`."""
        exemplars = _last(series, sessions) if sessions is not None else {}
        changed: dict[tuple[str, ...], Total] = {}
        for one, count in Counter(series).items():
            key = self._key(one)
            old = changed.get(key) or self._by_key.get(key) or Total(one, 0, now, delayed=True)
            session = exemplars.get(one)
            changed[key] = Total(
                old.series,
                old.value + count,
                old.created,
                old.delayed,
                Exemplar(session, now) if session is not None else old.exemplar,
            )
        observed = self._observe(series, durations, now) if durations is not None else []
        return Changes(list(changed.values()), observed)

    def end_delays(self, totals: Iterable[Total]) -> Changes:
        """The totals as they are, no longer delayed."""
        current = (self._by_key[self._key(total.series)] for total in totals)
        return Changes([replace(total, delayed=False) for total in current], [])

    def _observe(
        self, series: Sequence[Series], durations: Sequence[float | None], now: float
    ) -> list[DurationTotal]:
        cells: dict[Cell, int] = {}
        # A recovered interruption ended no session: its duration belongs to none.
        places = {
            one: cells.setdefault((one.system, one.outcome), len(cells))
            for one in set(series)
            if one.family is not Family.INTERRUPTIONS
        }
        place = np.array([places.get(one, -1) for one in series], np.int64)
        seconds = np.array(durations, np.float64)
        valid = (place >= 0) & ~np.isnan(seconds)
        place, seconds = place[valid], seconds[valid]
        width = len(BUCKETS) + 1
        bucket = np.searchsorted(BUCKETS, seconds, side="left")
        counts = np.bincount(place * width + bucket, minlength=len(cells) * width)
        sums = np.bincount(place, weights=seconds, minlength=len(cells))
        changed = []
        for cell, index in cells.items():
            added = counts[index * width : (index + 1) * width].tolist()
            if any(added):
                old = self._durations.get(cell) or _empty(cell, now)
                summed = tuple(map(int.__add__, old.counts, added))
                changed.append(replace(old, counts=summed, total=old.total + float(sums[index])))
        return changed

    def _key(self, series: Series) -> tuple[str, ...]:
        key = self._keys.get(series)
        if key is None:
            key = self._keys[series] = series.key
        return key


def _last(series: Sequence[Series], sessions: Sequence[str | None]) -> dict[Series, str]:
    """The last session id of each series."""
    return {
        one: session for one, session in zip(series, sessions, strict=True) if session is not None
    }


def _empty(cell: Cell, now: float) -> DurationTotal:
    return DurationTotal(*cell, counts=(0,) * (len(BUCKETS) + 1), total=0.0, created=now)
