"""What is posted: two systems' ends, faster than in life, and the outage that one can switch on."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from exporter.demo.compressed import SPEED
from exporter.send.connection import Connection
from exporter.send.delivery import Clock, Delivery
from exporter.send.events import Event
from exporter.send.options import Options
from exporter.send.report import Report
from exporter.simulate.events import merged
from exporter.simulate.history import History
from exporter.simulate.live import PACE
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, Plan, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic

INCIDENT: Final = "capacity-large"
SYSTEM: Final = "streampixel"
CODE: Final = "4001"
BEGIN: Final = MONDAY + DAY + 10 * HOUR
"""Simulated Unix seconds at which the demo begins: a Tuesday at ten, when there is work."""
_PAST_HOURS: Final = 26.0
"""A day, which shares are of, and a little: 100,000 ends of both systems."""
_USUAL: Final = Traffic(ends_per_hour=2000.0, restarts_per_day=0.0, p_missed_scrape=0.0)
"""Enough that four seconds, the shortest window in which successes may not stop, have twenty of them."""
_Timed = Iterator[tuple[float, dict[str, object]]]


def past(seed: int) -> list[History]:
    """The hours that lead up to `BEGIN`, a history for each system."""
    days = _PAST_HOURS * HOUR / DAY
    return [
        simulate(system, _USUAL, days, seed=seed, start=BEGIN - days * DAY) for system in SYSTEMS
    ]


class Poster:
    """Posts simulated events to an ingest listener, counted in `report`.

    Raises `exporter.send.connection.Undelivered` when the exporter does not take them.
    """

    def __init__(self, url: str) -> None:
        options = Options(url=url, batch=1000)
        self.report = Report()
        self._connection = Connection(options)
        self._delivery = Delivery(self._connection, options, self.report)
        self._encode = msgspec.json.Encoder().encode

    def post(self, events: Iterable[dict[str, object]]) -> None:
        self._delivery.deliver(self._encoded(events))

    def close(self) -> None:
        self._connection.close()

    def _encoded(self, events: Iterable[dict[str, object]]) -> Iterator[Event]:
        for event in events:
            yield Event(f"simulated event {event['id']}", self._encode(event))


class Live:
    """Posts from a thread of its own until the `with` block ends: as usual, or with the outage.

    Both are simulated from the same seed; `outage` says which of them the events are taken from.
    """

    def __init__(self, url: str, seed: int) -> None:
        self.outage = False
        self._poster = Poster(url)
        self._seed = seed
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._poster.close()

    def check(self) -> None:
        """Raises what ended the thread, if anything did."""
        if self._failed is not None:
            raise self._failed

    @property
    def accepted(self) -> int:
        """Events that were counted since the start."""
        return self._poster.report.accepted

    def _run(self) -> None:
        try:
            clock = Clock()
            began = clock.monotonic()
            for number, due in enumerate(self._due(), start=1):
                # A wait for the end and not a sleep: Ctrl-C is answered at once.
                if self._over.wait(max(0.0, began + number * PACE - clock.monotonic())):
                    return
                self._poster.post(due[self.outage])
        except BaseException as error:
            self._failed = error

    def _due(self) -> Iterator[tuple[list[dict[str, object]], list[dict[str, object]]]]:
        """What is due in each `PACE`, as usual and with the outage, day after day."""
        for day in itertools.count():
            start = BEGIN + day * DAY
            usual, outage = (
                _Cut(merged(_day(self._seed, day, plan), self._seed + day, dated=False))
                for plan in _PLANS
            )
            step = PACE * SPEED
            for number in range(1, round(DAY / step) + 1):
                at = start + number * step
                yield usual.before(at), outage.before(at)


_PLANS: Final[tuple[Plan, Plan]] = (
    (),
    tuple((INCIDENT, hour * HOUR) for hour in range(24)),
)
"""Without, and with an outage that does not end: each of the incidents lasts an hour."""


def _day(seed: int, day: int, plan: Plan) -> list[History]:
    start = BEGIN + day * DAY
    return [
        simulate(system, _USUAL, 1.0, plan if system == SYSTEM else (), seed + day, start)
        for system in SYSTEMS
    ]


class _Cut:
    """Events in order, taken piece by piece."""

    def __init__(self, events: _Timed) -> None:
        self._events = events
        self._next = next(events, None)

    def before(self, time: float) -> list[dict[str, object]]:
        found = []
        while self._next is not None and self._next[0] < time:
            found.append(self._next[1])
            self._next = next(self._events, None)
        return found
