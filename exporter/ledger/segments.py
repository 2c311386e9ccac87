"""The rows of the deduplication window, and when they expire: whole rows, the oldest first.

Age is measured on the ledger's own clock, which follows the monotonic clock and stands still while no process
has the ledger open. A jump of the wall clock by a day therefore does not expire ids: they may be kept longer
than configured, never shorter.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from exporter.ledger.window import Window

ROW_IDS: Final = 128
"""Ids up to which small commits share a row: 200,000 rows took 2 s to read at start, and 128 ids fit a
page."""
ROWS_PER_BOUND: Final = 24
"""A row that commits share covers at most 1/24 of each bound of the window: it expires as a whole."""
_MOST_BY_AGE: Final = 8
"""Rows that expire by age in one transaction, so that it stays short."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of `count` ids from commit `number` on; `first` and `last` are ages of its commits, seconds."""

    number: int
    count: int
    first: float
    last: float


Expiring = list[tuple[Segment, str]]
"""The oldest rows, each with the bound that it exceeds: `age` or `ids`."""


class Segments:
    """The rows of a window of `capacity` ids, bounded by `ids` and by `age` in seconds."""

    def __init__(self, ids: int, age: float, capacity: int) -> None:
        self._bound, self._age, self._capacity = ids, age, capacity
        self._row_ids = min(ROW_IDS, ids // ROWS_PER_BOUND, (capacity - ids) // 2)
        self._segments: deque[Segment] = deque()
        self._ids = 0
        self.expired = {"age": 0, "ids": 0}

    def extended(self, number: int, count: int, age: float) -> Segment:
        """The row for the ids of a commit: the last row extended by them, or a new row."""
        if self._segments:
            last = self._segments[-1]
            total = last.count + count
            if total <= self._row_ids and age - last.first <= self._age / ROWS_PER_BOUND:
                return Segment(last.number, total, last.first, age)
        return Segment(number, count, age, age)

    def add(self, segment: Segment) -> None:
        """Add a row, or replace the last row by its extension."""
        if self._segments and self._segments[-1].number == segment.number:
            self._ids -= self._segments[-1].count
            self._segments[-1] = segment
        else:
            self._segments.append(segment)
        self._ids += segment.count

    def span(self, age: float) -> float:
        """Seconds from the oldest id to `age`."""
        try:
            return age - self._segments[0].last
        except IndexError:
            # Not checked before: the writer's thread may remove the last row in between.
            return 0.0

    def due(self, age: float, incoming: int) -> Expiring:
        """The rows that expire with a commit of `incoming` ids at `age`: by age at most `_MOST_BY_AGE`.

        A row expires by the id bound only when the remaining ids still reach the bound, or when the window
        has no space for the commit.
        """
        total = self._ids + incoming
        rows: Expiring = []
        for segment in self._segments:
            old = age - segment.last > self._age
            many = total - segment.count >= self._bound or total > self._capacity
            if not many and (not old or len(rows) >= _MOST_BY_AGE):
                break
            rows.append((segment, "age" if old else "ids"))
            total -= segment.count
        return rows

    def drop(self, rows: Expiring, window: Window) -> None:
        """Remove the rows of `due`, after they were removed from the store."""
        for segment, bound in rows:
            self.drop_oldest(window)
            self.expired[bound] += segment.count

    def drop_oldest(self, window: Window) -> None:
        segment = self._segments.popleft()
        window.expire(segment.count)
        self._ids -= segment.count
