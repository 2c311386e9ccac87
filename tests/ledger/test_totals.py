"""The totals in memory: nothing shows before it is published."""

import math

import pytest

from exporter.ledger.contract import BUCKETS, DurationTotal, Exemplar, Total
from exporter.ledger.totals import RunningTotals
from tests.ledger.batches import FAILURE, INTERRUPTION, OTHER, series


def test_a_change_shows_only_once_published() -> None:
    totals = RunningTotals()
    changes = totals.change([FAILURE, FAILURE, OTHER], [1.0, None, 2.0], ["a", None, None], 5.0)
    assert (totals.series(), totals.durations()) == ([], [])
    totals.publish(changes)
    assert totals.series() == [
        Total(FAILURE, 2, 5.0, True, Exemplar("a", 5.0)),
        Total(OTHER, 1, 5.0, True),
    ]
    assert [one.total for one in totals.durations()] == [3.0]


def test_series_with_equal_keys_are_one_whatever_object_they_are() -> None:
    totals = RunningTotals()
    totals.publish(totals.change([FAILURE, series(), series()], None, None, 5.0))
    totals.publish(totals.change([series()], None, None, 6.0))
    assert [(one.value, one.created) for one in totals.series()] == [(4, 5.0)]


def test_a_snapshot_does_not_change_when_the_book_does() -> None:
    totals = RunningTotals()
    totals.publish(totals.change([FAILURE], [3.0], None, 5.0))
    before, durations = totals.series(), totals.durations()
    totals.publish(totals.change([FAILURE, OTHER], [3.0, 3.0], None, 6.0))
    assert [one.value for one in before] == [1]
    assert [sum(one.counts) for one in durations] == [1]


def test_missing_series_start_at_zero_and_those_there_stay() -> None:
    totals = RunningTotals()
    totals.publish(totals.change([FAILURE], None, None, 5.0))
    cell = ("streampixel", "failure")
    missing = totals.missing([series(), OTHER], [cell], 9.0)
    assert missing.series == [Total(OTHER, 0, 9.0)]
    assert missing.durations == [DurationTotal(*cell, (0,) * (len(BUCKETS) + 1), 0.0, 9.0)]
    totals.publish(missing)
    again = totals.missing([FAILURE, OTHER], [cell], 10.0)
    assert (again.series, again.durations) == ([], [])


def test_the_end_of_a_delay_keeps_the_newest_value() -> None:
    totals = RunningTotals()
    totals.publish(totals.change([FAILURE], None, None, 5.0))
    delayed = totals.delayed()
    totals.publish(totals.change([FAILURE], None, None, 6.0))
    totals.publish(totals.end_delays(delayed))
    assert totals.series() == [Total(FAILURE, 2, 5.0)]
    assert totals.delayed() == []


@pytest.mark.parametrize("bound", BUCKETS)
def test_a_bucket_holds_its_upper_bound_and_not_the_next_number(bound: float) -> None:
    changes = RunningTotals().change(
        [FAILURE] * 2, [bound, math.nextafter(bound, math.inf)], None, 5.0
    )
    counts = changes.durations[0].counts
    at = BUCKETS.index(bound)
    assert (counts[at], counts[at + 1], sum(counts)) == (1, 1, 2)


def test_interruptions_leave_durations_alone() -> None:
    changes = RunningTotals().change([INTERRUPTION, FAILURE], [5.0, None], None, 5.0)
    assert changes.durations == []
