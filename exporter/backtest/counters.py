"""One system's ends, its counters, and the series that Prometheus would have scraped from its exporter."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter import names
from exporter.backtest.event_counts import EventCounts
from exporter.errors import ConfigError
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.names import UNKNOWN
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, labels
from exporter.taxonomy.model import System, Taxonomy
from exporter.timestamps import rfc3339

Totals = NDArray[np.int64]
STEP: Final = 30
"""Seconds between scrapes: the shortest interval of the shipped rules."""
_MEMORY: Final = 8 * 86400
"""Seconds. The shipped rules read nothing older: a baseline is seven days of shares of a day."""
_MOST_BINS: Final = 200 * 2880
"""200 days of 30 s. The rules' arrays then take 3 GB with 25 codes (measured)."""
_OUTLIERS: Final = 0.01
"""The share of a system's ends that may be outliers."""
_BLOCK: Final = 2880
_MOST_BLOCKS: Final = 2 * _MOST_BINS // _BLOCK
"""A file of random times would otherwise create a block of 300 kB for each event."""
ALL: Final = ("", "")
REPEATS: Final = ("repeats", "")
"""Parts of the ends besides a label and its value."""
_TARGET: Final = {"job": "session-end-exporter", "instance": "backtest"}


@dataclass(frozen=True, slots=True)
class Counters:
    """Row i is the scrape at `start + i * step` (Unix seconds).

    `totals`, (rows, codes), are running sums of each code's ends; `present`, (rows,), is False where the
    scrape failed. `repeats` are running sums of the second and later ends of a user, None without
    users. Counters are never reset: the exporter's survive restarts.
    """

    system: str
    start: float
    step: int
    codes: tuple[str, ...]
    totals: Totals
    present: Flags
    repeats: Totals | None = None

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
        repeats = np.zeros((1, len(self.codes))) if self.repeats is None else self.repeats
        result = [
            self._samples(names.SESSION_ENDS, ends, self.totals.T),
            self._samples(names.SESSION_END_REPEATS, short, repeats.T),
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

    def lasting(self, end: float) -> "Counters":
        """The same counts until `end`, Unix seconds, but for at most a day more: a later part of the file
        may have nothing of this system."""
        rows = ((0, round(min(end - self.end, 86400) / self.step)), (0, 0))
        return replace(
            self,
            totals=np.pad(self.totals, rows, "edge"),
            present=np.pad(self.present, rows[:1], "edge"),
            repeats=None if self.repeats is None else np.pad(self.repeats, rows, "edge"),
        )

    def _samples(self, metric: str, rows: list[dict[str, str]], values: Floats | Totals) -> Samples:
        """The samples of a metric. A single column of `values` applies to all scrapes, without copies."""
        times = self.start + np.arange(len(self.totals)) * float(self.step)
        shape = len(rows), len(times)
        return Samples.of(
            np.round(times * 1000).astype(np.int64),
            [labels({METRIC_NAME: metric, **row, **_TARGET}) for row in rows],
            np.broadcast_to(values.astype(np.float64), shape),
            np.broadcast_to(self.present, shape),
        )


def check_length(system: str, first: float, last: float) -> None:
    """Raises `ConfigError` if the ends from `first` to `last`, Unix seconds, take too much memory."""
    if last - first > _MOST_BINS * STEP:
        begin, end = (rfc3339(at).partition("T")[0] for at in (first, last))
        raise ConfigError(
            f"{system}: ends from {begin} to {end}, and at most {_MOST_BINS * STEP // 86400} days can be "
            "replayed: split the files, or check the clocks of the senders"
        )


def process_start(first: float, last: float) -> Samples:
    """The start time of the exporter of all systems, scraped from `first` to `last`, Unix seconds."""
    times = np.arange(round(first * 1000), round(last * 1000) + 1, STEP * 1000, dtype=np.int64)
    row = labels({METRIC_NAME: "process_start_time_seconds", **_TARGET})
    shape = 1, len(times)
    return Samples.of(times, [row], np.full(shape, first), np.ones(shape, np.bool_))


class Ends:
    """Counts a system's ends by bin and code, in any order. Memory depends on bins, not on ends.

    A part is `ALL`, `REPEATS`, or a label and its value; an end is added to all of its parts.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self._codes = tuple(code.code for code in system.all_codes)
        self._columns = {code: column for column, code in enumerate(self._codes)}
        self._blocks: dict[tuple[str, str], dict[int, NDArray[np.int32]]] = {ALL: {}}

    def add(
        self, codes: Sequence[str], times: Sequence[float], part: tuple[str, str] = ALL
    ) -> None:
        """Adds an end per code to a part, at the Unix time in the same position.

        Raises `ConfigError` if the times are on more different days than a history may have.
        """
        columns = np.array([self._columns[code] for code in codes], np.intp)
        bins = np.floor(np.array(times) / STEP).astype(np.int64)
        blocks = self._blocks.setdefault(part, {})
        numbers = bins // _BLOCK
        for number in np.unique(numbers).tolist():
            if number not in blocks:
                if len(blocks) >= _MOST_BLOCKS:
                    first, last = min(blocks) * _BLOCK * STEP, max(blocks) * _BLOCK * STEP
                    check_length(self.system.system, first, last)
                blocks[number] = np.zeros((_BLOCK, len(self._codes)), np.int32)
            inside = numbers == number
            np.add.at(blocks[number], (bins[inside] - number * _BLOCK, columns[inside]), 1)

    def counters(self, events: EventCounts) -> Counters | None:
        """The counters from the first to the last bin with an end, for codes that occurred.

        None without an end. A wrong clock would extend the history by years, so ends are removed, and noted
        in `events`, if a gap longer than the rules' memory separates them from the others and they are few.
        Raises `ConfigError` if the rest is too long.
        """
        bins, ends = self._counted(ALL)
        if not len(bins):
            return None
        first, last = _without_outliers(bins, ends.sum(axis=1), events)
        bins, ends = bins[first:last], ends[first:last]
        check_length(self.system.system, *(bins[[0, -1]] * float(STEP)).tolist())
        count = int(bins[-1] - bins[0]) + 1
        occurred = np.flatnonzero(ends.any(axis=0))

        def totals(part: tuple[str, str]) -> NDArray[np.int64]:
            """Each code is 0 before its first end, as on the exporter."""
            result = np.zeros((count + 1, len(occurred)), np.int64)
            rows, counted = self._counted(part)
            inside = (rows >= bins[0]) & (rows <= bins[-1])
            result[rows[inside] - bins[0] + 1] = counted[inside][:, occurred]
            return np.cumsum(result, axis=0, out=result)

        return Counters(
            self.system.system,
            float(bins[0] * STEP),
            STEP,
            tuple(self._codes[column] for column in occurred),
            totals(ALL),
            np.ones(count + 1, np.bool_),
            totals(REPEATS) if REPEATS in self._blocks else None,
        )

    def _counted(self, part: tuple[str, str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The bins with an end, in order of time, and (bins, codes) their ends."""
        bins = [np.zeros(0, np.int64)]
        ends = [np.zeros((0, len(self._codes)), np.int32)]
        for number, block in sorted(self._blocks[part].items()):
            rows = np.flatnonzero(block.any(axis=1))
            bins.append(rows + number * _BLOCK)
            ends.append(block[rows])
        return np.concatenate(bins), np.concatenate(ends)


def _without_outliers(
    bins: NDArray[np.int64], ends: NDArray[np.int64], events: EventCounts
) -> tuple[int, int]:
    gaps = np.flatnonzero(np.diff(bins) * STEP > _MEMORY) + 1
    edges = [0, *gaps.tolist(), len(bins)]
    allowed = _OUTLIERS * int(ends.sum())
    while len(edges) > 2:
        outer = [(edges[0], edges[1]), (edges[-2], edges[-1])]
        begin, end = min(outer, key=lambda part: int(ends[part[0] : part[1]].sum()))
        removed = int(ends[begin:end].sum())
        allowed -= removed
        if allowed < 0:
            break
        edges = edges[1:] if begin == edges[0] else edges[:-1]
        first, last = (bins[[begin, end - 1]] * float(STEP)).tolist()
        events.remove_outliers(removed, first, last)
    return edges[0], edges[-1]
