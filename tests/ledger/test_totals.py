"""The totals in memory: changes are visible only after they are published."""

from exporter.ledger.contract import BUCKETS, DurationTotal, Exemplar, Total
from exporter.ledger.totals import RunningTotals
from tests.ledger.batches import FAILURE, OTHER, series


def counted(*columns: object) -> RunningTotals:
    totals = RunningTotals()
    totals.publish(totals.change(*columns))  # type: ignore[arg-type]
    return totals


def test_changes_are_visible_only_after_they_are_published() -> None:
    totals = RunningTotals()
    changes = totals.change([FAILURE, FAILURE, OTHER], [1.0, None, 2.0], ["a", None, None], 5.0)
    assert (totals.series(), totals.durations()) == ([], [])
    totals.publish(changes)
    assert totals.series() == [
        Total(FAILURE, 2, 5.0, True, Exemplar("a", 5.0)),
        Total(OTHER, 1, 5.0, True),
    ]
    assert [histogram.total for histogram in totals.durations()] == [3.0]


def test_different_objects_of_the_same_series_share_a_total() -> None:
    totals = counted([FAILURE, series(), series()], None, None, 5.0)
    totals.publish(totals.change([series()], None, None, 6.0))
    assert [(total.value, total.created) for total in totals.series()] == [(4, 5.0)]


def test_earlier_results_do_not_change_when_changes_are_published() -> None:
    totals = counted([FAILURE], [3.0], None, 5.0)
    before, durations = totals.series(), totals.durations()
    totals.publish(totals.change([FAILURE, OTHER], [3.0, 3.0], None, 6.0))
    assert [total.value for total in before] == [1]
    assert [sum(histogram.counts) for histogram in durations] == [1]


def test_missing_series_and_histograms_start_at_zero_once() -> None:
    totals = counted([FAILURE], None, None, 5.0)
    cell = ("streampixel", "failure")
    missing = totals.missing([series(), OTHER], [cell], 9.0)
    assert missing.series == [Total(OTHER, 0, 9.0)]
    assert missing.durations == [DurationTotal(*cell, (0,) * (len(BUCKETS) + 1), 0.0, 9.0)]
    totals.publish(missing)
    again = totals.missing([FAILURE, OTHER], [cell], 10.0)
    assert (again.series, again.durations) == ([], [])


def test_the_end_of_a_delay_keeps_the_newest_value() -> None:
    totals = counted([FAILURE], None, None, 5.0)
    assert [total.series for total in totals.delayed()] == [FAILURE]
    totals.publish(totals.change([FAILURE], None, None, 6.0))
    totals.publish(totals.end_delays([FAILURE]))
    assert totals.series() == [Total(FAILURE, 2, 5.0)]
    assert totals.delayed() == []
