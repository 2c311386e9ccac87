"""The ends of the last hour per minute, and the period that they cover."""

from exporter.ledger.contract import Family
from exporter.ops.recent_ends import MINUTES
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops

KEY = ("alpha", "1001")


def counted(ends: int = 0) -> Ops:
    """An app whose ledger has counted `ends` at the start."""
    return Ops(StillLedger([total(ends)]))


def test_each_minute_has_its_count_and_the_running_minute_is_last() -> None:
    ops = counted()
    for ends in (3, 3, 8):
        ops.ledger.series = [total(ends)]
        ops.wait(1)
    ops.ledger.series = [total(15), total(4, code="10")]
    recent = ops.recent_ends.read()
    assert recent.ends_by_minute(KEY) == [3, 0, 5, 7]
    assert recent.ends_by_minute(("alpha", "10")) == [0, 0, 0, 4]
    assert recent.ends_within(KEY, 1) == 12
    assert recent.ends_within(("alpha", "no such code"), 5) == 0


def test_series_of_a_code_are_added_up_and_late_ends_and_interruptions_are_no_ends() -> None:
    ops = counted()
    late, interruptions = total(2, family=Family.LATE), total(4, family=Family.INTERRUPTIONS)
    repeats = total(1, family=Family.REPEATS)
    ops.ledger.series = [total(2, "eu"), total(3, "us"), late, interruptions, repeats]
    recent = ops.recent_ends.read()
    assert recent.ends_by_minute(KEY) == [5]
    assert recent.events_by_minute() == [11]
    assert recent.all_ends(KEY) == 7
    assert recent.totals[Family.INTERRUPTIONS, *KEY] == 4


def test_falling_totals_count_as_zero() -> None:
    """A failover of a shared ledger can lose counts."""
    ops = counted(50)
    ops.ledger.series = [total(30)]
    assert ops.recent_ends.read().ends_by_minute(KEY) == [0]


def test_hour_is_kept() -> None:
    ops = counted()
    ops.ledger.series = [total(1000)]
    ops.wait(MINUTES)
    assert ops.recent_ends.read().ends_within(KEY, 60) == 1000
    ops.wait(1)
    assert ops.recent_ends.read().ends_within(KEY, 60) == 0
    assert len(ops.recent_ends.read().minutes) == MINUTES + 1


def test_period_is_described() -> None:
    ops = counted()
    assert ops.recent_ends.read().period == "the time since the exporter started"
    ops.clock.now += 3600
    assert ops.recent_ends.read().period == "the last hour"
