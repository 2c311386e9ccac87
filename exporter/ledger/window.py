"""The deduplication window in memory: the keys of the last events, found in constant time.

A ring of fixed size holds keys and fingerprints in order of receipt; a table of chain heads and a `previous`
link per ring slot make a hash table of it (the scheme of zlib's match finder). A chain runs from newest
to oldest, so the first link that points before the ring's tail ends it, and expiry is moving the tail:
no deletion, no rehash, no pause. Under 60 bytes an id against 130 and more in a dict, flat from the
start, and numpy looks up a thousand keys in one go.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from exporter.ledger.contract import KEY_BYTES

Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_NONE: Final = 0
"""Position of nothing; the first event is at position 1."""


def words(blob: bytes, size: int) -> Words:
    """Keys (`size` 16) or fingerprints (8) of n events as an array of shape (n, size / 8), no copy."""
    return np.frombuffer(blob, dtype="<u8").reshape(-1, size // 8)


class Window:
    """The last `ids` keys, and up to `slack` more; positions count events from 1 on."""

    def __init__(self, ids: int, slack: int) -> None:
        self.size = ids + slack
        buckets = 2 << max(ids - 1, 1).bit_length()
        self._mask = np.uint64(buckets - 1)
        self._heads: Positions = np.zeros(buckets, np.int64)
        self._previous: Positions = np.zeros(self.size, np.int64)
        self._keys: Words = np.zeros((self.size, KEY_BYTES // 8), np.uint64)
        self._fingerprints: Words = np.zeros(self.size, np.uint64)
        self._tail = self._next = _NONE + 1

    def __len__(self) -> int:
        return self._next - self._tail

    @property
    def nbytes(self) -> int:
        """Bytes of memory, whatever the number of ids."""
        return (
            self._heads.nbytes
            + self._previous.nbytes
            + self._keys.nbytes
            + self._fingerprints.nbytes
        )

    def find(self, keys: Words) -> Positions:
        """The position of each key of shape (n, 2), 0 where the window does not have it."""
        found = np.zeros(len(keys), np.int64)
        at = self._heads[keys[:, 0] & self._mask]
        pending = np.flatnonzero(at >= self._tail)
        at = at[pending]
        while pending.size:
            slots = at % self.size
            rows = self._keys[slots]
            sought = keys[pending]
            same = (rows[:, 0] == sought[:, 0]) & (rows[:, 1] == sought[:, 1])
            found[pending[same]] = at[same]
            at = self._previous[slots]
            going = ~same & (at >= self._tail)
            pending, at = pending[going], at[going]
        return found

    def fingerprints(self, positions: Positions) -> Words:
        """The fingerprints that the events at these positions were added with."""
        return self._fingerprints[positions % self.size]

    def add(self, keys: Words, fingerprints: Words) -> None:
        """Remember keys that are distinct and that the window does not have.

        Raises `ValueError` when they would overwrite keys that have not expired.
        """
        count = len(keys)
        if len(self) + count > self.size:
            raise ValueError(f"{count} keys do not fit: {len(self)} of {self.size} are taken")
        positions = np.arange(self._next, self._next + count, dtype=np.int64)
        slots = positions % self.size
        self._keys[slots] = keys
        self._fingerprints[slots] = fingerprints.reshape(-1)
        buckets = keys[:, 0] & self._mask
        self._previous[slots] = self._heads[buckets]
        # Of repeated indices the last assignment holds (numpy's documented rule): the newest key.
        self._heads[buckets] = positions
        newest = self._heads[buckets]
        older = np.flatnonzero(newest != positions)
        if older.size:
            self._chain(buckets, np.union1d(older, newest[older] - self._next))
        self._next += count

    def _chain(self, buckets: Words, shared: Positions) -> None:
        """Link the keys that share a bucket with another of the same `add`: few, and so only they are
        sorted. `shared` are their indices, ascending."""
        shared = shared[np.argsort(buckets[shared], kind="stable")]
        again = np.flatnonzero(buckets[shared[1:]] == buckets[shared[:-1]]) + 1
        slots = (shared[again] + self._next) % self.size
        self._previous[slots] = shared[again - 1] + self._next

    def latest(self, count: int) -> tuple[bytes, bytes]:
        """Keys and fingerprints of the `count` newest events, in their order."""
        slots = np.arange(self._next - count, self._next) % self.size
        return self._keys[slots].tobytes(), self._fingerprints[slots].tobytes()

    def expire(self, count: int) -> None:
        """Forget the `count` oldest keys."""
        if count > len(self):
            raise ValueError(f"{count} keys can't expire: there are {len(self)}")
        self._tail += count


def repeats(keys: Words) -> bool:
    """Whether two of the keys may be the same (their first halves are)."""
    first = np.sort(keys[:, 0])
    return bool((first[1:] == first[:-1]).any())
