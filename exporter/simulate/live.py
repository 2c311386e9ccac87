"""Events at the pace of a clock, in real or compressed time."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from exporter.simulate.events import Event

if TYPE_CHECKING:
    from exporter.send.delivery import Clock

PACE: Final = 0.5
"""Seconds between two requests: several between two scrapes, and few enough for one that is asked by
nobody to make a machine busy."""

Timed = tuple[float, Event]


def play(
    events: Iterator[Timed],
    start: float,
    end: float,
    speed: float,
    clock: "Clock",
    deliver: Callable[[Iterator[Event]], None],
    tell: Callable[[float], None],
) -> None:
    """Hands `deliver` the events of [start, end), simulated Unix seconds, each when its time has come.

    A simulated second lasts 1 / `speed` real ones. `deliver` gets what is due and has to read all of
    it; `tell` is then called with the simulated time. What takes longer than it may, an exporter
    that is away say, is caught up with and not left out.
    """
    began = clock.monotonic()
    waiting = _Due(events)
    at = start
    while at < end:
        at = min(at + speed * PACE, end)
        early = (at - start) / speed - (clock.monotonic() - began)
        if early > 0:
            clock.sleep(early)
        deliver(waiting.before(at))
        tell(at)


class _Due:
    """An iterator of events, cut into pieces by time."""

    def __init__(self, events: Iterator[Timed]) -> None:
        self._events = events
        self._next = next(events, None)

    def before(self, time: float) -> Iterator[Event]:
        while self._next is not None and self._next[0] < time:
            yield self._next[1]
            self._next = next(self._events, None)
