"""Waiting, with a clock that is handed in."""

import pytest

from exporter.demo.waiting import POLL, until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_first_true_value_is_given_back_as_soon_as_it_is_there() -> None:
    clock = Clock()
    values = iter([None, 0, "there", "later"])
    found = until(lambda: next(values), 10, "it", monotonic=clock.monotonic, sleep=clock.sleep)
    assert (found, clock.now) == ("there", 2 * POLL)


def test_what_does_not_come_is_named_when_the_time_is_over() -> None:
    clock = Clock()
    with pytest.raises(TimeoutError, match="the page: not within 10 seconds"):
        until(lambda: None, 10, "the page", monotonic=clock.monotonic, sleep=clock.sleep)
    assert clock.now == pytest.approx(10, abs=2 * POLL)
