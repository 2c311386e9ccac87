"""The pace: what is due at each moment, in real and compressed time, and what was held up."""

from collections.abc import Callable, Iterator

import pytest

from exporter.simulate.events import Event
from exporter.simulate.live import PACE, play

START, END = 1000.0, 1060.0


class StillClock:
    """Moves by sleeping alone."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []
        self.monotonic: Callable[[], float] = lambda: self.now
        self.sleep: Callable[[float], None] = self._sleep

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def timed() -> Iterator[tuple[float, Event]]:
    """An event every simulated second, in the middle of it."""
    return ((START + second + 0.5, {"id": str(second)}) for second in range(60))


@pytest.mark.parametrize("speed", [1.0, 7.0, 60.0])
def test_every_event_is_handed_over_once_when_its_time_has_come(speed: float) -> None:
    clock = StillClock()
    found: list[tuple[int, float]] = []
    told: list[float] = []

    def deliver(due: Iterator[Event]) -> None:
        found.extend((int(event["id"]), clock.now - 50.0) for event in due)

    play(timed(), START, END, speed, clock, deliver, told.append)
    assert [number for number, _ in found] == list(range(60))
    for number, at in found:
        assert 0 <= at - (number + 0.5) / speed <= PACE + 1e-9
    assert clock.now - 50.0 == pytest.approx((END - START) / speed)
    assert told[-1] == END
    assert told == sorted(told)


def test_what_was_held_up_is_caught_up_with_without_a_pause() -> None:
    """Fails when each step sleeps its own length: the run would end 20 s late."""
    clock = StillClock()
    found: list[int] = []

    def deliver(due: Iterator[Event]) -> None:
        found.extend(int(event["id"]) for event in due)
        if not clock.now > 60:
            clock.now += 20.0

    play(timed(), START, END, 1.0, clock, deliver, lambda _: None)
    assert found == list(range(60))
    assert clock.now - 50.0 == pytest.approx(60.0)


def test_events_are_made_only_when_they_are_due() -> None:
    """Fails when the whole run is made first: a month of a million an hour does not fit anywhere."""
    clock = StillClock()
    read: list[int] = []

    def lazy() -> Iterator[tuple[float, Event]]:
        for at, event in timed():
            read.append(int(event["id"]))
            yield at, event

    def deliver(due: Iterator[Event]) -> None:
        for event in due:
            assert read[-1] == int(event["id"])

    play(lazy(), START, END, 10.0, clock, deliver, lambda _: None)
    assert len(read) == 60
