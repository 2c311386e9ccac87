"""The deduplication window in memory: a hash table of the latest keys in a ring of fixed size.

The ring holds keys and fingerprints in the order of their receipt. A bucket has the position of its newest
key, and each key links to the previous key of its bucket, as in zlib's match finder. A link to a position
before the ring's tail ends the chain, so that expiry only moves the tail. This takes under 60 bytes per id
(a dict takes over 130), and numpy looks up a thousand keys in one call.
"""

import numpy as np
import numpy.typing as npt

from exporter.ledger.contract import KEY_BYTES

Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]


def words(blob: bytes, size: int) -> Words:
    """Keys or fingerprints of `size` bytes as an array of shape (n, size / 8), without a copy."""
    return np.frombuffer(blob, dtype="<u8").reshape(-1, size // 8)


def has_repeats(keys: Words) -> bool:
    """Whether two keys may be equal: their first halves are."""
    first = np.sort(keys[:, 0])
    return bool((first[1:] == first[:-1]).any())


class Window:
    """The last `ids` keys and up to `slack` more. Positions count events from 1; 0 stands for no event."""

    def __init__(self, ids: int, slack: int) -> None:
        self.size = ids + slack
        buckets = 2 << max(ids - 1, 1).bit_length()
        self._mask = np.uint64(buckets - 1)
        self._heads: Positions = np.zeros(buckets, np.int64)
        self._previous: Positions = np.zeros(self.size, np.int64)
        self._keys: Words = np.zeros((self.size, KEY_BYTES // 8), np.uint64)
        self._fingerprints: Words = np.zeros(self.size, np.uint64)
        self._tail = self._next = 1

    def __len__(self) -> int:
        return self._next - self._tail

    @property
    def nbytes(self) -> int:
        """Bytes of memory; they do not depend on the number of ids."""
        arrays = (self._heads, self._previous, self._keys, self._fingerprints)
        return sum(array.nbytes for array in arrays)

    def find(self, keys: Words) -> Positions:
        """The position of each key of shape (n, 2), or 0."""
        positions = np.zeros(len(keys), np.int64)
        at = self._heads[keys[:, 0] & self._mask]
        pending = np.flatnonzero(at >= self._tail)
        at = at[pending]
        while pending.size:
            slots = at % self.size
            stored, wanted = self._keys[slots], keys[pending]
            same = (stored[:, 0] == wanted[:, 0]) & (stored[:, 1] == wanted[:, 1])
            positions[pending[same]] = at[same]
            at = self._previous[slots]
            unfinished = ~same & (at >= self._tail)
            pending, at = pending[unfinished], at[unfinished]
        return positions

    def fingerprints(self, positions: Positions) -> Words:
        return self._fingerprints[positions % self.size]

    def add(self, keys: Words, fingerprints: Words) -> None:
        """Add distinct keys that the window does not have.

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
        # numpy assigns the last value of a repeated index: the newest key becomes the head.
        self._heads[buckets] = positions
        newest = self._heads[buckets]
        older = np.flatnonzero(newest != positions)
        if older.size:
            self._link(buckets, np.union1d(older, newest[older] - self._next))
        self._next += count

    def _link(self, buckets: Words, shared: Positions) -> None:
        """Link the new keys whose bucket has another new key; `shared` are their indices, ascending."""
        shared = shared[np.argsort(buckets[shared], kind="stable")]
        again = np.flatnonzero(buckets[shared[1:]] == buckets[shared[:-1]]) + 1
        slots = (shared[again] + self._next) % self.size
        self._previous[slots] = shared[again - 1] + self._next

    def latest(self, count: int) -> tuple[bytes, bytes]:
        """Keys and fingerprints of the `count` newest events, in their order."""
        slots = np.arange(self._next - count, self._next) % self.size
        return self._keys[slots].tobytes(), self._fingerprints[slots].tobytes()

    def expire(self, count: int) -> None:
        """Remove the `count` oldest keys."""
        self._tail += count
