"""Session ends per minute of the last hour, for the pages. Alerts come from Prometheus.

In memory: it begins with the process, and `Recent.seconds` says how far back it reaches.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from exporter.ledger.contract import OF_SESSIONS, Family, Totals

_ENDS, _LATE = Family.ENDS.value, Family.LATE.value
MINUTES: Final = 60
"""How far back: the longest window of a page is an hour."""

Key = tuple[str, str]
"""System and code."""
Counts = Counter[tuple[str, str, str]]
"""By family, system and code; the family as text, because an enum is slow to hash."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Counts at one moment. `at` is in Unix seconds, `seconds` is how long ago the history began.

    `totals` are the counts since the ledger was created, `minutes` those of each minute, oldest first, the
    running minute last.
    """

    at: float
    seconds: float
    ledger: Totals
    totals: Counts
    minutes: tuple[Counts, ...]

    def counted(self, key: Key) -> int:
        """Final ends of a code, late ones included."""
        return self.totals[_ENDS, *key] + self.totals[_LATE, *key]

    def ends(self, key: Key) -> list[int]:
        """A code's final ends on time, per minute."""
        return [minute.get((_ENDS, *key), 0) for minute in self.minutes]

    def ended(self, key: Key, minutes: int) -> int:
        """A code's final ends on time in the last whole `minutes` and the running minute."""
        series = (_ENDS, *key)
        return sum(minute.get(series, 0) for minute in self.minutes[-minutes - 1 :])

    def events(self) -> list[int]:
        """Events of any kind, per minute."""
        return [
            sum(count for (family, *_), count in minute.items() if family in OF_SESSIONS)
            for minute in self.minutes
        ]

    @property
    def reach(self) -> str:
        """How far back the history goes, for people."""
        if self.seconds >= MINUTES * 60:
            return "the last hour"
        if self.seconds < 60:
            return f"the {self.seconds:.0f} s since the exporter started"
        minutes = int(self.seconds // 60)
        return f"the {minutes} minute{'s' if minutes > 1 else ''} since the exporter started"


class History:
    """Differences of a ledger's totals from minute to minute; any thread may call any method.

    `monotonic` measures the minutes: a wall clock that is set would make an hour of a minute. `minute` is
    in seconds.
    """

    def __init__(
        self,
        totals: Callable[[], Totals],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        minute: float = 60.0,
    ) -> None:
        self._totals = totals
        self._monotonic = monotonic
        self._wall = wall
        self._minute = minute
        self._lock = Lock()
        self._minutes: deque[Counts] = deque(maxlen=MINUTES)
        self._before: Counts | None = None
        self._began = 0.0
        self._last = 0

    def sample(self) -> None:
        """Close the minutes that have passed; the first call begins the history."""
        with self._lock:
            self._sample()

    def due(self) -> float:
        """Seconds until the next sample, a hundredth of a minute at least."""
        with self._lock:
            passed = self._monotonic() - self._began
            return max((self._last + 1) * self._minute - passed, self._minute / 100)

    def read(self) -> Recent:
        """The counts of now."""
        with self._lock:
            before = self._before if self._before is not None else self._sample()
            ledger = self._totals()
            totals = _count(ledger)
            return Recent(
                at=self._wall(),
                seconds=self._monotonic() - self._began,
                ledger=ledger,
                totals=totals,
                minutes=(*self._minutes, totals - before),
            )

    def _sample(self) -> Counts:
        now = self._monotonic()
        if self._before is None:
            self._began, self._before = now, _count(self._totals())
            return self._before
        # Rounded, because a timer may be a moment early.
        passed = round((now - self._began) / self._minute) - self._last
        if passed > 0:
            totals = _count(self._totals())
            # A process that was suspended has no sample of the minutes that it missed: they count as 0.
            self._minutes.append(totals - self._before)
            self._minutes.extend([Counter()] * min(passed - 1, MINUTES))
            self._before = totals
            self._last += passed
        return self._before


def _count(totals: Totals) -> Counts:
    counts: Counts = Counter()
    for total in totals.series:
        counts[total.series.family.value, total.series.system, total.series.code] += total.value
    return counts
