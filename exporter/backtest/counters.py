"""One system's ends, its counters, and the series that Prometheus would have scraped from its exporter."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter import names
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.names import UNKNOWN
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, labels
from exporter.taxonomy.model import System, Taxonomy
from exporter.timestamps import rfc3339

Totals = NDArray[np.int64]
STEP: Final = 30
"""Seconds between scrapes: the shortest interval of the shipped rules."""
_DAY: Final = 86400 // STEP
_MOST_DAYS: Final = 200
"""The rules' arrays then take 3 GB with 25 codes (measured)."""
_MEMORY: Final = 8
"""Days. The shipped rules read nothing older: a baseline is seven days of shares of a day."""
_OUTLIERS: Final = 0.01
"""The share of all ends that may be outliers."""
_TARGET: Final = {"job": "session-end-exporter", "instance": "backtest"}


@dataclass(frozen=True, slots=True)
class Counters:
    """Row i is the scrape at `start + i * step` (Unix seconds).

    `totals`, (rows, codes), are running sums of each code's ends; `present`, (rows,), is False where the
    scrape failed. `repeats` are running sums of the second and later ends of a user. Counters are never
    reset: the exporter's survive restarts.
    """

    system: str
    start: float
    step: int
    codes: tuple[str, ...]
    totals: Totals
    present: Flags
    repeats: Totals

    @property
    def end(self) -> float:
        """The last scrape, Unix seconds."""
        return self.start + (len(self.totals) - 1) * self.step

    def between(self, since: float, until: float) -> Counter[str]:
        """Ends by code from `since` to `until`, Unix seconds."""
        rows = [int((at - self.start) // self.step) for at in (since, until)]
        before, after = self.totals[np.clip(rows, 0, len(self.totals) - 1)]
        return Counter(dict(zip(self.codes, (after - before).tolist(), strict=True)))

    def series(self, system: System) -> list[Samples]:
        """The counters, and what the exporter exports about their codes: names, severities, objective."""
        known = {code.code: code for code in system.all_codes}
        ends = [known[code].labels | {names.LEDGER: "backtest"} for code in self.codes]
        short = [
            {name: row[name] for name in (names.SYSTEM, names.CODE, names.OUTCOME, names.LEDGER)}
            for row in ends
        ]
        result = [
            self._samples(names.SESSION_ENDS, ends, self.totals.T),
            self._samples(names.SESSION_END_REPEATS, short, self.repeats.T),
        ]
        for family in TaxonomyCollector(Taxonomy({system.system: system}), "", "").collect():
            samples = [
                sample
                for sample in family.samples
                if sample.labels.get(names.CODE, self.codes[0]) in self.codes
                and names.SYSTEM in sample.labels
            ]
            if samples:
                values = np.array([[sample.value] for sample in samples])
                rows = [sample.labels for sample in samples]
                result.append(self._samples(samples[0].name, rows, values))
        return result

    def unknown_codes(self) -> list[Samples]:
        """The exporter's count of events with an unknown code."""
        if UNKNOWN not in self.codes:
            return []
        counts = self.totals[np.newaxis, :, self.codes.index(UNKNOWN)]
        return [self._samples(names.UNKNOWN_CODE_EVENTS, [{names.SYSTEM: self.system}], counts)]

    def _samples(self, metric: str, rows: list[dict[str, str]], values: Floats | Totals) -> Samples:
        """The samples of a metric. A single column of `values` applies to all scrapes, without copies."""
        times = self.start + np.arange(len(self.totals)) * float(self.step)
        shape = len(rows), len(times)
        return Samples(
            np.round(times * 1000).astype(np.int64),
            tuple(labels({METRIC_NAME: metric, **row, **_TARGET}) for row in rows),
            np.broadcast_to(values.astype(np.float64), shape),
            np.broadcast_to(self.present, shape),
        )


def process_start(first: float, last: float) -> Samples:
    """The start time of the exporter of all systems, scraped from `first` to `last`, Unix seconds."""
    times = np.arange(round(first * 1000), round(last * 1000) + 1, STEP * 1000, dtype=np.int64)
    row = labels({METRIC_NAME: "process_start_time_seconds", **_TARGET})
    shape = 1, len(times)
    return Samples(times, (row,), np.full(shape, first), np.ones(shape, np.bool_))


def _date(day: int) -> str:
    return rfc3339(day * 86400.0).partition("T")[0]


class Ends:
    """Counts ends by system, bin and code, in any order. Memory depends on bins, not on ends."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._columns = {
            name: {code.code: column for column, code in enumerate(system.all_codes)}
            for name, system in taxonomy.systems.items()
        }
        self._days: dict[tuple[int, str], NDArray[np.int32]] = {}
        """All ends and the repeats among them, by day and system: (2, bins, codes)."""
        self._early = 0
        self.removed: dict[str, int] = {}
        """Ends that `counters` leaves out, by reason."""

    def add(
        self, system: str, codes: Sequence[str], times: Sequence[float], repeats: Sequence[bool]
    ) -> None:
        """Adds an end per code at the Unix time in the same position."""
        known = self._columns[system]
        columns = np.array([known[code] for code in codes], np.intp)
        bins = np.floor(np.array(times) / STEP).astype(np.int64)
        days, again = bins // _DAY, np.array(repeats, np.bool_)
        for day in np.unique(days).tolist():
            if (day, system) not in self._days:
                self._days[day, system] = np.zeros((2, _DAY, len(known)), np.int32)
            inside = days == day
            for counts, chosen in zip(
                self._days[day, system], (inside, inside & again), strict=True
            ):
                np.add.at(counts, (bins[chosen] - day * _DAY, columns[chosen]), 1)
        # Random times must not fill the memory. Outliers, which are not known yet, have few days.
        self._early += self._remove(sorted({day for day, _ in self._days})[: -2 * _MOST_DAYS])

    def _remove(self, days: Collection[int]) -> int:
        """Returns how many ends are removed."""
        keys = [key for key in self._days if key[0] in days]
        return sum(int(self._days.pop(key)[0].sum()) for key in keys)

    def _cut(self) -> None:
        """Removes few ends far from all others, and ends too long before the last."""
        ends = Counter[int]()
        for (day, _), counts in self._days.items():
            ends[day] += int(counts[0].sum())
        days = np.array(sorted(ends), np.int64)
        gaps = np.flatnonzero(np.diff(days) > _MEMORY) + 1
        parts = [part.tolist() for part in np.split(days, gaps)]
        allowed = _OUTLIERS * ends.total()
        outliers: list[int] = []
        while len(parts) > 1:
            outer = min((parts[0], parts[-1]), key=lambda part: sum(ends[day] for day in part))
            allowed -= sum(ends[day] for day in outer)
            if allowed < 0:
                break
            parts.remove(outer)
            outliers += outer
        if outliers:
            dates = sorted({_date(min(outliers)), _date(max(outliers))})
            reason = f"far from all others ({' to '.join(dates)}): a wrong clock?"
            self.removed[reason] = self._remove(outliers)
        last = max((day for day, _ in self._days), default=0)
        early = self._remove([day for day in ends if day <= last - _MOST_DAYS]) + self._early
        if early:
            self.removed[f"{_MOST_DAYS} days or more before the last end ({_date(last)})"] = early

    def counters(self) -> list[Counters]:
        """The counters of each system with an end, from its first end on, for codes that occurred.

        They last until the last end of all systems, but for at most a day more: a later part of the file may
        have nothing of a system.
        """
        self._cut()
        days = sorted(self._days)
        by_system = {name: [day for day, other in days if other == name] for name in self._columns}
        ends = {name: self._bins(name, own) for name, own in by_system.items() if own}
        last = max((start + counts.shape[1] for start, counts in ends.values()), default=0)
        result = []
        for name, (start, counts) in ends.items():
            occurred = np.flatnonzero(counts[0].any(axis=0)).tolist()
            more = min(last - start - counts.shape[1], _DAY)
            # Each code is 0 before its first end, as on the exporter.
            padded = np.pad(counts[:, :, occurred], ((0, 0), (1, more), (0, 0)))
            totals, repeats = np.cumsum(padded, axis=1, dtype=np.int64)
            known = tuple(self._columns[name])
            codes = tuple(known[column] for column in occurred)
            present = np.ones(len(totals), np.bool_)
            at = float(start * STEP)
            result.append(Counters(name, at, STEP, codes, totals, present, repeats))
        return result

    def _bins(self, system: str, days: Sequence[int]) -> tuple[int, NDArray[np.int32]]:
        """The first bin with an end, and the counts until the last."""
        count = (days[-1] - days[0] + 1) * _DAY
        counts = np.zeros((2, count, len(self._columns[system])), np.int32)
        for day in days:
            begin = (day - days[0]) * _DAY
            counts[:, begin : begin + _DAY] = self._days[day, system]
        first, last = np.flatnonzero(counts[0].any(axis=1))[[0, -1]].tolist()
        return days[0] * _DAY + first, counts[:, first : last + 1]
