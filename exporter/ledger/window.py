"""The deduplication window in memory: a hash table of the latest keys in a ring of fixed size.

The ring holds keys and fingerprints in the order of their receipt. A bucket has the position of its newest
key, and each key the distance to the previous key of its bucket, as in zlib's match finder. A distance that
leads past the ring's tail ends the chain, so that expiry only moves the tail. This takes 37 bytes per id
(a dict takes over 130), and numpy looks up a thousand keys in one call.

Ids expire by rows of the store, the oldest first. Age is measured on the ledger's own clock, which follows
the monotonic clock and stands still while no process has the ledger open. A jump of the wall clock by a day
therefore does not expire ids: they may be kept longer than configured, never shorter.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
ShortPositions = npt.NDArray[np.uint32]
"""Positions modulo 2**32."""

_CYCLE: Final = 1 << 32
"""Buckets have positions modulo 2**32. A position of 2**32 ids ago is taken for a later position: the chain
gets longer, and its keys are compared all the same."""
_BUCKETS_PER_ID: Final = 2
_HALF: Final = np.uint64(32)
ROW_IDS: Final = 128
"""Ids up to which small commits share a row: 200,000 rows took 2 s to read at start, and 128 ids fit a
page."""
ROWS_PER_BOUND: Final = 24
"""A row that commits share covers at most 1/24 of each bound of the window: it expires as a whole."""
_MOST_BY_AGE: Final = 8
"""Rows that expire by age in one transaction, so that it stays short."""


def words(blob: bytes, size: int) -> Words:
    """Keys or fingerprints of `size` bytes as an array of shape (n, size / 8), without a copy."""
    return np.frombuffer(blob, dtype="<u8").reshape(-1, size // 8)


def has_repeats(keys: Words) -> bool:
    """Whether two keys may be equal, because their first halves are equal."""
    first = np.sort(keys[:, 0])
    return bool((first[1:] == first[:-1]).any())


class Window:
    """The last `ids` keys and up to `slack` more.

    Positions count events from `start`, which is not 1 in tests only; 0 stands for no event.
    """

    def __init__(self, ids: int, slack: int, start: int = 1) -> None:
        self.size = ids + slack
        buckets = _BUCKETS_PER_ID * ids
        self._buckets, self._bucket_count = np.uint64(buckets), buckets
        self._heads = np.zeros(buckets, np.uint32)
        self._distances = np.zeros(self.size, np.uint32)
        # The halves of the keys: most look-ups compare the first half only.
        self._first: Words = np.zeros(self.size, np.uint64)
        self._second: Words = np.zeros(self.size, np.uint64)
        self._fingerprints: Words = np.zeros(self.size, np.uint64)
        self._tail = self._next = start

    def __len__(self) -> int:
        return self._next - self._tail

    def find(self, keys: Words) -> Positions:
        """The position of each key of shape (n, 2), or 0."""
        positions = np.zeros(len(keys), np.int64)
        first, last = keys[:, 0], self._next - 1
        ago = np.uint32(last % _CYCLE) - self._heads[self._buckets_of(keys)]
        (pending,) = (ago < len(self)).nonzero()
        at = last - ago[pending].astype(np.int64)
        while pending.size:
            slots = self._slots(at)
            (same,) = (self._first[slots] == first[pending]).nonzero()
            if same.size:
                same = same[self._second[slots[same]] == keys[pending[same], 1]]
                positions[pending[same]] = at[same]
                at[same] = 0
            at -= self._distances[slots]
            unfinished = at >= self._tail
            pending, at = pending[unfinished], at[unfinished]
        return positions

    def fingerprints(self, positions: Positions) -> Words:
        return self._fingerprints[self._slots(positions)]

    def add(self, keys: Words, fingerprints: Words) -> None:
        """Add distinct keys that the window does not have. Raises `ValueError` when there is no space."""
        count = len(keys)
        if len(self) + count > self.size:
            raise ValueError(f"{count} keys do not fit: {len(self)} of {self.size} are taken")
        start = self._next % self.size
        if start + count > self.size:
            end = self.size - start
            self.add(keys[:end], fingerprints[:end])
            self.add(keys[end:], fingerprints[end:])
            return
        positions = np.arange(self._next, self._next + count).astype(np.uint32)
        buckets = self._buckets_of(keys)
        previous = self._heads[buckets]
        # numpy assigns the last value of a repeated index: the newest key becomes the head.
        self._heads[buckets] = positions
        self._link(buckets, positions, previous)
        slots = slice(start, start + count)
        self._first[slots], self._second[slots] = keys[:, 0], keys[:, 1]
        self._fingerprints[slots] = fingerprints.reshape(-1)
        # A distance of 0, to a position of 2**32 ids ago, would never leave the chain.
        self._distances[slots] = np.maximum(positions - previous, 1)
        self._next += count

    def _link(self, buckets: Words, positions: ShortPositions, previous: ShortPositions) -> None:
        """Link new keys that share a bucket: each but the first of them follows the one before it."""
        newest = self._heads[buckets]
        (older,) = (newest != positions).nonzero()
        if older.size:
            shared = np.union1d(older, newest[older] - positions[0])
            shared = shared[np.argsort(buckets[shared], kind="stable")]
            (again,) = (buckets[shared[1:]] == buckets[shared[:-1]]).nonzero()
            previous[shared[again + 1]] = positions[shared[again]]

    def expire(self, count: int) -> None:
        """Remove the `count` oldest keys."""
        self._tail += count

    def fingerprint_of(self, first: int, second: int) -> int | None:
        """The fingerprint of one key, given as its halves, or None; for few keys faster than `find`."""
        last = self._next - 1
        ago = (last - self._heads.item((first >> 32) * self._bucket_count >> 32)) % _CYCLE
        at = last - ago
        while at >= self._tail:
            slot = at % self.size
            if self._first.item(slot) == first and self._second.item(slot) == second:
                return self._fingerprints.item(slot)
            at -= self._distances.item(slot)
        return None

    def add_key(self, first: int, second: int, fingerprint: int) -> None:
        """`add` for one key."""
        if len(self) >= self.size:
            raise ValueError(f"1 key does not fit: {len(self)} of {self.size} are taken")
        bucket, slot = (first >> 32) * self._bucket_count >> 32, self._next % self.size
        position = self._next % _CYCLE
        self._distances[slot] = (position - self._heads.item(bucket)) % _CYCLE or 1
        self._heads[bucket] = position
        self._first[slot], self._second[slot] = first, second
        self._fingerprints[slot] = fingerprint
        self._next += 1

    def _buckets_of(self, keys: Words) -> Words:
        """The bucket of each key: the high bits of its first half, scaled to the number of buckets."""
        buckets: Words = (keys[:, 0] >> _HALF) * self._buckets >> _HALF
        return buckets

    def _slots(self, positions: Positions) -> Positions:
        """The places of keys in the ring; numpy takes a negative index as one from the end."""
        return positions - (self._next - self._next % self.size)


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
