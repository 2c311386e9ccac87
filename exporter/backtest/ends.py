"""One system's ends in bins of the scrape interval, and from these its `Counters`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.backtest.counters import Counters
from exporter.backtest.left_out import LeftOut
from exporter.errors import ConfigError
from exporter.taxonomy.model import System

STEP: Final = 30
"""Seconds between scrapes: the shortest interval of the shipped rules."""
MEMORY: Final = 8 * 86400
"""Seconds. What is longer ago is in no result of the shipped rules: a baseline is seven days of shares of a
day."""
MOST_BINS: Final = 200 * 2880
"""200 days of 30 s. The rules' arrays then take 3 GB with 25 codes (measured)."""
ASTRAY: Final = 0.01
"""The part of a system's ends that may be far from all others and left out."""
_BLOCK: Final = 2880
_MOST_BLOCKS: Final = 2 * MOST_BINS // _BLOCK
"""A file of random times would otherwise make a block of each: 300 kB an event."""


class Ends:
    """Counts a system's ends by bin and code, in any order; memory is bounded by the bins."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._codes = tuple(code.code for code in (*system.codes, system.unknown))
        self._columns = {code: place for place, code in enumerate(self._codes)}
        self._blocks: dict[int, NDArray[np.int32]] = {}

    def add(self, codes: Sequence[str], times: Sequence[float]) -> None:
        """An end of each code at the time beside it, Unix seconds. Raises `ConfigError` when the times
        are so many different days that no history has them."""
        columns = np.array([self._columns[code] for code in codes], np.intp)
        bins = np.floor(np.array(times) / STEP).astype(np.int64)
        blocks = bins // _BLOCK
        for block in np.unique(blocks).tolist():
            inside = blocks == block
            np.add.at(self._block(block), (bins[inside] - block * _BLOCK, columns[inside]), 1)

    def counters(self, left_out: LeftOut) -> Counters | None:
        """The counters from the first to the last bin with an end, codes that never came left out; None
        without an end.

        A clock that is wrong would stretch the history by years. Ends that a gap longer than the rules'
        memory parts from all others are left out at both ends of the history, while these are less than
        `ASTRAY` of all, and `left_out` is told. Raises `ConfigError` when more than `MOST_BINS` remain.
        """
        bins, ends = self._counted()
        if not len(bins):
            return None
        first, last = self._without_strays(bins, ends.sum(axis=1), left_out)
        bins, ends = bins[first:last], ends[first:last]
        count = int(bins[-1] - bins[0]) + 1
        if count > MOST_BINS:
            raise self._too_long(bins)
        came = np.flatnonzero(ends.any(axis=0))
        # Every code is at 0 before its first end, as the exporter shows it.
        totals = np.zeros((count + 1, len(came)), np.int64)
        totals[bins - bins[0] + 1] = ends[:, came]
        np.cumsum(totals, axis=0, out=totals)
        codes = tuple(self._codes[column] for column in came)
        start = float(bins[0] * STEP)
        return Counters(
            self.system.system, start, STEP, codes, totals, np.ones(count + 1, np.bool_)
        )

    def _block(self, number: int) -> NDArray[np.int32]:
        if number not in self._blocks:
            if len(self._blocks) >= _MOST_BLOCKS:
                raise self._too_long(np.array(sorted(self._blocks)) * _BLOCK)
            self._blocks[number] = np.zeros((_BLOCK, len(self._codes)), np.int32)
        return self._blocks[number]

    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The bins with an end, in order of time, and (bins, codes) ends in them."""
        found = [np.zeros(0, np.int64)]
        ends = [np.zeros((0, len(self._codes)), np.int32)]
        for number in sorted(self._blocks):
            block = self._blocks[number]
            rows = np.flatnonzero(block.any(axis=1))
            found.append(rows + number * _BLOCK)
            ends.append(block[rows])
        return np.concatenate(found), np.concatenate(ends)

    def _without_strays(
        self, bins: NDArray[np.int64], ends: NDArray[np.int64], left_out: LeftOut
    ) -> tuple[int, int]:
        """First of `bins` that belongs, and the one after the last."""
        parts = np.flatnonzero(np.diff(bins) * STEP > MEMORY) + 1
        edges = [0, *parts.tolist(), len(bins)]
        bearable = ASTRAY * int(ends.sum())
        while len(edges) > 2:
            outer = [(edges[0], edges[1]), (edges[-2], edges[-1])]
            begin, end = min(outer, key=lambda one: int(ends[one[0] : one[1]].sum()))
            lost = int(ends[begin:end].sum())
            bearable -= lost
            if bearable < 0:
                break
            edges = edges[1:] if begin == edges[0] else edges[:-1]
            times = bins[[begin, end - 1]] * float(STEP)
            left_out.stray(lost, float(times[0]), float(times[1]))
        return edges[0], edges[-1]

    def _too_long(self, bins: NDArray[np.int64]) -> ConfigError:
        first, last = (_time(float(one * STEP)) for one in (bins[0], bins[-1]))
        days = MOST_BINS * STEP // 86400
        return ConfigError(
            f"{self.system.system}: ends from {first} to {last}, and at most {days} days can be "
            "replayed; cut the files, or look for a sender's wrong clock"
        )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
