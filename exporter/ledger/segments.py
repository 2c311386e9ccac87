"""Which ids leave the deduplication window when: whole commits, oldest first.

Age is measured on the ledger's own clock, which advances with the process's monotonic clock and stands
still while no process has the ledger open. A wall clock that jumps forward by a day would otherwise
forget every id at once; this way an id is remembered longer than asked, never shorter.
"""

from collections import deque
from dataclasses import dataclass, field

from exporter.ledger.window import Window


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


class Segments:
    """The commits in the window, bounded by `ids` in all and by `age` in seconds."""

    def __init__(self, ids: int, age: float) -> None:
        self._bound = ids
        self._age = age
        self._segments: deque[Segment] = deque()
        self._ids = 0
        self.expired = {"age": 0, "ids": 0}

    def append(self, number: int, count: int, age: float) -> None:
        self._segments.append(Segment(number, count, age))
        self._ids += count

    def span(self, age: float) -> float:
        """How far back the window reaches at `age`, seconds."""
        return age - self._segments[0].age if self._segments else 0.0

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
            many = total - segment.count >= self._bound
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
