"""Session ends per minute of the last hour, in memory, for the pages. Alerts come from Prometheus."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from exporter.ledger.contract import OF_SESSIONS, Family, Totals

_ENDS, _LATE = Family.ENDS.value, Family.LATE.value
MINUTES: Final = 60

Key = tuple[str, str]
"""System and code."""
Counts = Counter[tuple[str, str, str]]
"""By family, system and code. The family is text: an enum is slow to hash."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The counts of a moment."""

    at: float  # Unix time
    seconds: float  # since the history began, at the start of the process
    ledger: Totals
    totals: Counts  # since the ledger was created
    minutes: tuple[Counts, ...]  # per minute, the running minute last

    def all_ends(self, key: Key) -> int:
        """Final ends of a code, late ends included."""
        return self.totals[_ENDS, *key] + self.totals[_LATE, *key]

    def ends_by_minute(self, key: Key) -> list[int]:
        """Final ends of a code per minute, without late ends."""
        ends = (_ENDS, *key)
        return [minute.get(ends, 0) for minute in self.minutes]

    def ends_within(self, key: Key, minutes: int) -> int:
        """Final ends of a code in the last whole `minutes` and the running minute, without late ends."""
        return sum(self.ends_by_minute(key)[-minutes - 1 :])

    def events_by_minute(self) -> list[int]:
        """Events of all families per minute."""
        return [
            sum(count for (family, *_), count in minute.items() if family in OF_SESSIONS)
            for minute in self.minutes
        ]

    @property
    def period(self) -> str:
        """The period of the history, in words."""
        hour = self.seconds >= 60 * MINUTES
        return "the last hour" if hour else "the time since the exporter started"


class RecentEnds:
    """Differences of a ledger's totals from sample to sample, once a minute by the owner. Thread-safe."""

    def __init__(
        self,
        totals: Callable[[], Totals],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._totals = totals
        self._monotonic = monotonic
        self._wall = wall
        self._lock = Lock()
        self._minutes: deque[Counts] = deque(maxlen=MINUTES)
        self._previous = _count(totals())
        self._start = monotonic()

    def sample(self) -> None:
        """Close the running minute."""
        with self._lock:
            totals = _count(self._totals())
            self._minutes.append(totals - self._previous)
            self._previous = totals

    def read(self) -> Recent:
        """The counts up to now."""
        with self._lock:
            ledger = self._totals()
            totals = _count(ledger)
            return Recent(
                at=self._wall(),
                seconds=self._monotonic() - self._start,
                ledger=ledger,
                totals=totals,
                minutes=(*self._minutes, totals - self._previous),
            )


def _count(totals: Totals) -> Counts:
    counts: Counts = Counter()
    for total in totals.series:
        counts[total.series.family.value, total.series.system, total.series.code] += total.value
    return counts
