"""The history of counts per minute, and the period that it covers."""

from exporter.ledger.contract import Family
from exporter.ops.history import MINUTES
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops

KEY = ("alpha", "1001")


def counted(ends: int = 0) -> Ops:
    """An app whose ledger has counted `ends` at the start."""
    return Ops(StillLedger([total(ends)]))


def test_counts_before_the_start_are_only_in_the_total() -> None:
    recent = counted(500).history.read()
    assert (recent.counted(KEY), recent.ended(KEY, 60)) == (500, 0)
    assert (recent.seconds, recent.at) == (0, 1_790_000_000.0)


def test_each_minute_has_its_count_and_the_running_minute_is_last() -> None:
    ops = counted()
    for ends in (3, 3, 8):
        ops.ledger.series = [total(ends)]
        ops.wait(1)
    ops.ledger.series = [total(15)]
    recent = ops.history.read()
    assert recent.ends(KEY) == [3, 0, 5, 7]
    assert recent.ended(KEY, 1) == 12
    assert recent.ended(("alpha", "no such code"), 5) == 0


def test_series_of_a_code_are_added_up_and_late_ends_and_interruptions_are_no_ends() -> None:
    ops = counted()
    late, interruptions = total(2, family=Family.LATE), total(4, family=Family.INTERRUPTIONS)
    ops.ledger.series = [total(2, "eu"), total(3, "us"), late, interruptions]
    recent = ops.history.read()
    assert recent.ends(KEY) == [5]
    assert recent.events() == [11]
    assert recent.counted(KEY) == 7
    assert recent.totals[Family.INTERRUPTIONS, *KEY] == 4


def test_minutes_before_the_first_event_of_a_code_are_zeros() -> None:
    ops = counted()
    ops.ledger.series = [total(9)]
    ops.wait(1)
    ops.ledger.series = [total(9), total(4, code="10")]
    recent = ops.history.read()
    assert recent.ends(KEY) == [9, 0]
    assert recent.ends(("alpha", "10")) == [0, 4]


def test_falling_totals_count_as_zero() -> None:
    """A failover of a shared ledger can lose counts."""
    ops = counted(50)
    ops.ledger.series = [total(30)]
    assert ops.history.read().ends(KEY) == [0]


def test_hour_is_kept() -> None:
    ops = counted()
    ops.ledger.series = [total(1000)]
    ops.wait(MINUTES)
    assert ops.history.read().ended(KEY, 60) == 1000
    ops.wait(1)
    assert ops.history.read().ended(KEY, 60) == 0


def test_period_is_described() -> None:
    ops = counted()
    for seconds, words in (
        (12.4, "the 12 s since the exporter started"),
        (60, "the 1 minute since the exporter started"),
        (3599, "the 59 minutes since the exporter started"),
        (3600, "the last hour"),
    ):
        ops.clock.now = 1000 + seconds
        assert ops.history.read().period == words
