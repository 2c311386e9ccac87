"""How many sessions ended in each of the last minutes: for the pages; what pages people is Prometheus'.

In memory and bounded: `MINUTES` + 1 readings of a number for each code. It starts empty with the
process, and `Recent.seconds` says how far back it reaches.
"""

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Final

from exporter.ledger.contract import OF_SESSIONS, Family, Totals

MINUTES: Final = 60
"""How far back: the longest window of a page is an hour."""
MINUTE: Final = 60.0

Key = tuple[str, str]
"""System and code."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Counts at one moment. `at` is in Unix seconds, `seconds` is how long ago the history began.

    `totals` has what was counted since the ledger began, by family; `ends` and `events` the same per
    minute, oldest first, the running one last: the final ends on time of a code, and events of any kind.
    """

    at: float
    seconds: float
    ledger: Totals
    totals: dict[Family, Counter[Key]]
    ends: dict[Key, tuple[int, ...]]
    events: tuple[int, ...]

    def counted(self, key: Key) -> int:
        """Final ends of a code, late ones included."""
        return self.totals[Family.ENDS][key] + self.totals[Family.LATE][key]

    def late(self, key: Key) -> int:
        """Final ends of a code that arrived late."""
        return self.totals[Family.LATE][key]

    def recovered(self, key: Key) -> int:
        """Interruptions with a code."""
        return self.totals[Family.INTERRUPTIONS][key]

    @property
    def reach(self) -> str:
        """How far back the history goes, for people."""
        if self.seconds >= MINUTES * 60:
            return "the last hour"
        if self.seconds < 60:
            return f"the {self.seconds:.0f} s since the exporter started"
        minutes = int(self.seconds // 60)
        return f"the {minutes} minute{'s' if minutes > 1 else ''} since the exporter started"

    def ended(self, key: Key, minutes: int) -> int:
        """A code's final ends on time in the last `minutes`, and in what has passed of the running one."""
        return sum(self.ends.get(key, ())[-minutes - 1 :])

    def accepted(self, minutes: int) -> int:
        """Events of any kind in the last `minutes`, and in what has passed of the running one."""
        return sum(self.events[-minutes - 1 :])


@dataclass(frozen=True, slots=True)
class _Reading:
    events: int
    ends: "array[int]"


class History:
    """Readings of a ledger's totals at each minute since it began; any thread may call any method.

    `monotonic` is in seconds, and what the minutes are measured with: a wall clock that is set would
    make an hour of one minute. `minute` is in seconds.
    """

    def __init__(
        self,
        totals: Callable[[], Totals],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        minute: float = MINUTE,
    ) -> None:
        self._totals = totals
        self._monotonic = monotonic
        self._wall = wall
        self._minute = minute
        self._lock = Lock()
        self._places: dict[Key, int] = {}
        self._readings: deque[_Reading] = deque(maxlen=MINUTES + 1)
        self._began = 0.0
        self._last = 0

    def sample(self) -> None:
        """Take the reading of this minute, unless it was taken."""
        with self._lock:
            self._sample()

    def due(self) -> float:
        """Seconds until the next reading, a hundredth of a minute at least."""
        with self._lock:
            passed = self._monotonic() - self._began
            return max((self._last + 1) * self._minute - passed, self._minute / 100)

    def read(self) -> Recent:
        """The counts of now; begins the history when nobody did."""
        with self._lock:
            if not self._readings:
                self._sample()
            ledger = self._totals()
            totals = _by_family(ledger)
            readings = [*self._readings, self._reading(totals)]
            pairs = list(pairwise(readings))
            return Recent(
                at=self._wall(),
                seconds=self._monotonic() - self._began,
                ledger=ledger,
                totals=totals,
                ends={
                    key: tuple(_at(new, place) - _at(old, place) for old, new in pairs)
                    for key, place in self._places.items()
                },
                events=tuple(new.events - old.events for old, new in pairs),
            )

    def _sample(self) -> None:
        now = self._monotonic()
        if not self._readings:
            self._began = now
            self._readings.append(self._reading(_by_family(self._totals())))
            return
        # A timer may be a moment early.
        minute = round((now - self._began) / self._minute)
        if minute <= self._last:
            return
        # Of minutes that were missed, as in a process that was stopped, nothing is known: what came
        # meanwhile shows when it was first seen.
        missed = min(minute - self._last - 1, MINUTES)
        self._readings.extend([self._readings[-1]] * missed)
        self._readings.append(self._reading(_by_family(self._totals())))
        self._last = minute

    def _reading(self, totals: dict[Family, Counter[Key]]) -> _Reading:
        ends = totals[Family.ENDS]
        for key in ends:
            self._places.setdefault(key, len(self._places))
        events = sum(totals[family].total() for family in OF_SESSIONS)
        return _Reading(events, array("q", (ends[key] for key in self._places)))


def _by_family(totals: Totals) -> dict[Family, Counter[Key]]:
    found: dict[Family, Counter[Key]] = {family: Counter() for family in Family}
    for total in totals.series:
        series = total.series
        found[series.family][series.system, series.code] += total.value
    return found


def _at(reading: _Reading, place: int) -> int:
    """0 for a code that came after the reading."""
    return reading.ends[place] if place < len(reading.ends) else 0
