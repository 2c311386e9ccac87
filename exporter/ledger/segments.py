"""Which ids leave the deduplication window when: whole commits, oldest first.

Age is measured on the ledger's own clock, which advances with the process's monotonic clock and stands
still while no process has the ledger open. A wall clock that jumps forward by a day would otherwise
forget every id at once; this way an id is remembered longer than asked, never shorter.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from exporter.ledger.window import Window

SMALL: Final = 64
"""Ids of a commit that is worth merging with its neighbours."""
RUN: Final = 128
"""Small commits that are merged at a time: 200,000 rows of 5 ids each took 2 s to read back, 1,563 of
640 take 30 ms."""
SHARE: Final = 24
"""A merge makes expiry coarser by at most this part of either bound."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The `count` ids of commit `number`, received at `age` (seconds on the ledger's clock)."""

    number: int
    count: int
    age: float


@dataclass(frozen=True, slots=True)
class Expiry:
    """Commits up to `number` whose `ids` leave the window, by the bound that was hit."""

    number: int = 0
    segments: int = 0
    ids: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """The latest `segments` commits, numbers `first` to `last`, `count` ids in all; `age` is the last's."""

    first: int
    last: int
    segments: int
    count: int
    age: float


class Segments:
    """The commits in the window, bounded by `ids` in all and by `age` in seconds; `capacity` is the
    window's own size in ids."""

    def __init__(self, ids: int, age: float, capacity: int) -> None:
        self._bound = ids
        self._age = age
        self._capacity = capacity
        self._segments: deque[Segment] = deque()
        self._ids = 0
        self._small = 0
        self.expired = {"age": 0, "ids": 0}

    def append(self, number: int, count: int, age: float) -> None:
        self._segments.append(Segment(number, count, age))
        self._ids += count
        self._small = self._small + 1 if count <= SMALL else 0

    def run(self) -> Run | None:
        """The latest commits, when they are many and small and better kept as one."""
        if self._small < RUN or len(self._segments) < RUN:
            return None
        # Found small once, they stay so: whatever comes of it, the next look is a run later.
        self._small = 0
        segments = [self._segments[-number] for number in range(RUN, 0, -1)]
        first, last = segments[0], segments[-1]
        count = sum(segment.count for segment in segments)
        if (
            count > min(self._bound // SHARE, (self._capacity - self._bound) // 2)
            or last.age - first.age > self._age / SHARE
        ):
            return None
        return Run(first.number, last.number, RUN, count, last.age)

    def merge(self, run: Run) -> None:
        """Keep a run as one commit: its ids leave the window together, when the latest of them may."""
        for _ in range(run.segments):
            self._segments.pop()
        self._segments.append(Segment(run.last, run.count, run.age))

    def span(self, age: float) -> float:
        """How far back the window reaches at `age`, seconds."""
        try:
            return age - self._segments[0].age
        except IndexError:
            # Asked first, the deque could be emptied by the writer before the answer is used.
            return 0.0

    def due(self, age: float, incoming: int, most: int = 8) -> Expiry:
        """What a commit of `incoming` ids at `age` lets go of, at most `most` old commits at a time.

        The id bound keeps at least that many of the latest ids: a commit goes only when the rest
        still makes up the bound. What the window has no room for goes whatever `most` says.
        """
        total = self._ids + incoming
        number, segments = 0, 0
        gone = {"age": 0, "ids": 0}
        for segment in self._segments:
            old = age - segment.age > self._age
            many = total - segment.count >= self._bound or total > self._capacity
            if not many and (not old or segments >= most):
                break
            number, segments = segment.number, segments + 1
            total -= segment.count
            gone["age" if old else "ids"] += segment.count
        return Expiry(number, segments, gone)

    def drop(self, expiry: Expiry, window: Window) -> None:
        """Forget what `due` named, once that is on disk."""
        for _ in range(expiry.segments):
            self.drop_oldest(window)
        for bound, count in expiry.ids.items():
            self.expired[bound] += count

    def drop_oldest(self, window: Window) -> int:
        """Forget the oldest commit; the number of its ids."""
        segment = self._segments.popleft()
        window.expire(segment.count)
        self._ids -= segment.count
        return segment.count
