"""Simulated traffic of both systems, with an outage that can be switched on and off."""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

from exporter.demo.compressed import SPEED
from exporter.simulate.events import merged
from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.posting import PACE, EventQueue, Poster
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, Plan, simulate
from exporter.simulate.traffic import Traffic

INCIDENT: Final = "capacity-large"
SYSTEM: Final = "streampixel"
CODE: Final = "4001"
BEGIN: Final = MONDAY + DAY + 10 * HOUR
"""Simulated start of the demo in Unix seconds: a Tuesday at 10:00, with daytime load."""
_DAYS: Final = 7
_PAST: Final = 26 * HOUR
"""The rules need a day of history."""
_NORMAL: Final = Traffic(ends_per_hour=2000.0, restarts_per_day=0.0, p_missed_scrape=0.0)
"""About twenty successes in four seconds, the shortest window of the rules on missing successes."""
_OUTAGE: Final = tuple((INCIDENT, hour * HOUR) for hour in range(24 * _DAYS))
"""An outage without an end: each incident lasts an hour."""


def past() -> list[History]:
    """The hours before `BEGIN`, a history per system."""
    start = BEGIN - _PAST
    return [simulate(system, _NORMAL, _PAST / DAY, start=start) for system in SYSTEMS]


def queue(plan: Plan) -> EventQueue:
    """Events from `BEGIN` on, with the incidents of `plan` on `SYSTEM`."""
    histories: Sequence[History] = [
        simulate(system, _NORMAL, _DAYS, plan if system == SYSTEM else (), start=BEGIN)
        for system in SYSTEMS
    ]
    return EventQueue(merged(histories, dated=False))


class LiveTraffic:
    """Posts from a thread while the `with` block lasts, at `SPEED`, during an `outage` or without."""

    def __init__(self, poster: Poster) -> None:
        self.outage = False
        self._poster = poster
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._running = self._executor.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._executor.shutdown()

    def check(self) -> None:
        """Raises the error that has ended the thread, if any."""
        if self._running.done():
            self._running.result()

    def _run(self) -> None:
        normal, outage = queue(()), queue(_OUTAGE)
        began = time.monotonic()
        for number in itertools.count(1):
            if self._stop.wait(max(0.0, began + number * PACE - time.monotonic())):
                return
            now = BEGIN + number * PACE * SPEED
            due = {False: list(normal.until(now)), True: list(outage.until(now))}
            self._poster.post(due[self.outage])
