"""The history of counts per minute, and the period that it covers."""

from exporter.ledger.contract import Family
from exporter.ops.history import MINUTES, History
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Clock

KEY = ("alpha", "1001")


class Minutes:
    """A history over a ledger that a test adds to."""

    def __init__(self, start: int = 0) -> None:
        self.clock = Clock()
        self.ends = start
        self.ledger = StillLedger([total(start)])
        self.history = History(self.ledger.totals, self.clock, wall=lambda: 1_790_000_000.0)

    def add(self, ends: int) -> None:
        self.ends += ends
        self.ledger.series = [total(self.ends)]

    def wait(self) -> None:
        self.clock.now += 60
        self.history.sample()


def test_counts_before_the_start_are_only_in_the_total() -> None:
    recent = Minutes(start=500).history.read()
    assert (recent.counted(KEY), recent.ended(KEY, 60)) == (500, 0)
    assert (recent.seconds, recent.at) == (0, 1_790_000_000.0)


def test_each_minute_has_its_count_and_the_running_minute_is_last() -> None:
    minutes = Minutes()
    for ends in (3, 0, 5):
        minutes.add(ends)
        minutes.wait()
    minutes.add(7)
    recent = minutes.history.read()
    assert recent.ends(KEY) == [3, 0, 5, 7]
    assert recent.ended(KEY, 1) == 12
    assert recent.ended(("alpha", "no such code"), 5) == 0


def test_series_of_a_code_are_added_up_and_late_ends_and_interruptions_are_no_ends() -> None:
    minutes = Minutes()
    late, interruptions = total(2, family=Family.LATE), total(4, family=Family.INTERRUPTIONS)
    minutes.ledger.series = [total(2, "eu"), total(3, "us"), late, interruptions]
    recent = minutes.history.read()
    assert recent.ends(KEY) == [5]
    assert recent.events() == [11]
    assert recent.counted(KEY) == 7
    assert recent.totals[Family.INTERRUPTIONS, *KEY] == 4


def test_minutes_before_the_first_event_of_a_code_are_zeros() -> None:
    minutes = Minutes()
    minutes.add(9)
    minutes.wait()
    minutes.ledger.series = [total(9), total(4, code="10")]
    recent = minutes.history.read()
    assert recent.ends(KEY) == [9, 0]
    assert recent.ends(("alpha", "10")) == [0, 4]


def test_falling_totals_count_as_zero() -> None:
    """A failover of a shared ledger can lose counts."""
    minutes = Minutes(start=50)
    minutes.add(-20)
    assert minutes.history.read().ends(KEY) == [0]


def test_hour_is_kept() -> None:
    minutes = Minutes()
    minutes.add(1000)
    for _ in range(MINUTES):
        minutes.wait()
    assert minutes.history.read().ended(KEY, 60) == 1000
    minutes.wait()
    assert minutes.history.read().ended(KEY, 60) == 0


def test_period_is_described() -> None:
    minutes = Minutes()
    for seconds, words in (
        (12.4, "the 12 s since the exporter started"),
        (60, "the 1 minute since the exporter started"),
        (3599, "the 59 minutes since the exporter started"),
        (3600, "the last hour"),
    ):
        minutes.clock.now = 1000 + seconds
        assert minutes.history.read().period == words
