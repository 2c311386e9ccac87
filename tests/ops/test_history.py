"""Counts per minute: which minute an end belongs to, how far back it goes, and what it costs."""

import sys
from array import array

from exporter.ledger.contract import Family
from exporter.ops.history import MINUTES, History
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.asking import Clock

KEY = ("alpha", "1001")


class Minutes:
    """A history over a ledger that a test adds to."""

    def __init__(self, start: int = 0) -> None:
        self.clock = Clock()
        self.ends = start
        self.ledger = StillLedger()
        self._set()
        self.history = History(self.ledger.totals, self.clock, wall=lambda: 1_790_000_000.0)

    def _set(self, **more: int) -> None:
        self.ledger.series = [
            total(self.ends),
            *(total(count, family=Family(family)) for family, count in more.items()),
        ]

    def add(self, ends: int, **more: int) -> None:
        self.ends += ends
        self._set(**more)

    def pass_minutes(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.now += 60
            self.history.sample()


def test_what_was_counted_before_the_start_is_in_the_total_only() -> None:
    recent = Minutes(start=500).history.read()
    assert recent.counted(KEY) == 500
    assert recent.ended(KEY, 60) == 0
    assert recent.seconds == 0
    assert recent.at == 1_790_000_000.0


def test_each_minute_has_its_own_count_and_the_running_one_is_last() -> None:
    minutes = Minutes()
    minutes.history.sample()
    for ends in (3, 0, 5):
        minutes.add(ends)
        minutes.pass_minutes()
    minutes.add(7)
    assert minutes.history.read().ends[KEY] == (3, 0, 5, 7)


def test_a_window_has_its_whole_minutes_and_the_running_one() -> None:
    minutes = Minutes()
    minutes.history.sample()
    for _ in range(8):
        minutes.add(1)
        minutes.pass_minutes()
    minutes.add(100)
    recent = minutes.history.read()
    assert recent.ended(KEY, 5) == 105
    assert recent.ended(KEY, 60) == 108
    assert recent.ended(("alpha", "no such"), 5) == 0


def test_late_ends_and_interruptions_are_events_but_not_ends_of_a_minute() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.add(1, late=2, interruptions=4)
    recent = minutes.history.read()
    assert recent.ends[KEY] == (1,)
    assert recent.accepted(5) == 7
    assert recent.counted(KEY) == 3
    assert recent.totals[Family.INTERRUPTIONS][KEY] == 4


def test_label_values_of_a_code_are_added_up() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.ledger.series = [total(2, "eu"), total(3, "us")]
    assert minutes.history.read().ends[KEY] == (5,)


def test_a_code_that_comes_later_has_zeros_before() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.pass_minutes(2)
    minutes.ledger.series = [total(0), total(4, code="10")]
    assert minutes.history.read().ends["alpha", "10"] == (0, 0, 4)


def test_timers_that_are_a_little_early_or_late_lose_no_minute() -> None:
    minutes = Minutes()
    minutes.history.sample()
    for late in (59.9, 60.2, 59.9):
        minutes.add(1)
        minutes.clock.now += late
        minutes.history.sample()
    assert minutes.history.read().ends[KEY] == (1, 1, 1, 0)


def test_a_minute_is_read_once_however_often_it_is_asked_for() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.add(1)
    minutes.clock.now += 60
    for _ in range(5):
        minutes.history.sample()
    assert minutes.history.read().ends[KEY] == (1, 0)


def test_minutes_without_a_reading_are_zeros_and_not_left_out() -> None:
    """A process that was stopped for three minutes: the old counts are as old as they are."""
    minutes = Minutes()
    minutes.history.sample()
    minutes.add(9)
    minutes.pass_minutes()
    minutes.clock.now += 180
    minutes.history.sample()
    recent = minutes.history.read()
    assert recent.ends[KEY] == (9, 0, 0, 0, 0)


def test_next_reading_is_due_at_the_minute_whatever_passed() -> None:
    minutes = Minutes()
    minutes.history.sample()
    assert minutes.history.due() == 60
    minutes.clock.now += 60.25
    minutes.history.sample()
    assert minutes.history.due() == 59.75
    minutes.clock.now += 600
    assert minutes.history.due() == 0.6


def test_it_forgets_what_is_older_than_an_hour() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.add(1000)
    minutes.pass_minutes(MINUTES)
    assert minutes.history.read().ended(KEY, 60) == 1000
    minutes.pass_minutes()
    recent = minutes.history.read()
    assert recent.ended(KEY, 60) == 0
    assert len(recent.ends[KEY]) == MINUTES + 1


def test_a_day_of_forty_codes_takes_less_than_a_megabyte() -> None:
    ledger = StillLedger([total(1, code=str(number)) for number in range(40)])
    clock = Clock()
    history = History(ledger.totals, clock)
    for _ in range(24 * 60):
        history.sample()
        clock.now += 60
    readings = history._readings
    assert len(readings) == MINUTES + 1
    assert all(isinstance(one.ends, array) for one in readings)
    assert sum(sys.getsizeof(one.ends) + sys.getsizeof(one) for one in readings) < 100_000
    assert len(history._places) == 40


def test_a_day_without_readings_is_filled_up_with_an_hour_of_them() -> None:
    minutes = Minutes()
    minutes.history.sample()
    minutes.clock.now += 86_400
    minutes.history.sample()
    assert len(minutes.history._readings) == MINUTES + 1
