"""The totals in memory: nothing shows before it is published."""

import math

import pytest

from exporter.ledger.book import Book
from exporter.ledger.contract import BUCKETS, DurationTotal, Exemplar, Total
from tests.ledger.batches import FAILURE, INTERRUPTION, OTHER, series


def test_a_change_shows_only_once_published() -> None:
    book = Book()
    changes = book.change([FAILURE, FAILURE, OTHER], [1.0, None, 2.0], ["a", None, None], 5.0)
    assert (book.totals(), book.durations()) == ([], [])
    book.publish(changes)
    assert book.totals() == [
        Total(FAILURE, 2, 5.0, True, Exemplar("a", 5.0)),
        Total(OTHER, 1, 5.0, True),
    ]
    assert [one.total for one in book.durations()] == [3.0]


def test_series_with_equal_keys_are_one_whatever_object_they_are() -> None:
    book = Book()
    book.publish(book.change([FAILURE, series(), series()], None, None, 5.0))
    book.publish(book.change([series()], None, None, 6.0))
    assert [(one.value, one.created) for one in book.totals()] == [(4, 5.0)]


def test_a_snapshot_does_not_change_when_the_book_does() -> None:
    book = Book()
    book.publish(book.change([FAILURE], [3.0], None, 5.0))
    totals, durations = book.totals(), book.durations()
    book.publish(book.change([FAILURE, OTHER], [3.0, 3.0], None, 6.0))
    assert [one.value for one in totals] == [1]
    assert [sum(one.counts) for one in durations] == [1]


def test_missing_series_start_at_zero_and_those_there_stay() -> None:
    book = Book()
    book.publish(book.change([FAILURE], None, None, 5.0))
    cell = ("streampixel", "failure")
    missing = book.missing([series(), OTHER], [cell], 9.0)
    assert missing.series == [Total(OTHER, 0, 9.0)]
    assert missing.durations == [DurationTotal(*cell, (0,) * (len(BUCKETS) + 1), 0.0, 9.0)]
    book.publish(missing)
    again = book.missing([FAILURE, OTHER], [cell], 10.0)
    assert (again.series, again.durations) == ([], [])


def test_revealing_takes_the_value_of_now() -> None:
    book = Book()
    book.publish(book.change([FAILURE], None, None, 5.0))
    held = book.held()
    book.publish(book.change([FAILURE], None, None, 6.0))
    book.publish(book.reveal(held))
    assert book.totals() == [Total(FAILURE, 2, 5.0)]
    assert book.held() == []


@pytest.mark.parametrize("bound", BUCKETS)
def test_a_bucket_holds_its_upper_bound_and_not_the_next_number(bound: float) -> None:
    changes = Book().change([FAILURE] * 2, [bound, math.nextafter(bound, math.inf)], None, 5.0)
    counts = changes.durations[0].counts
    at = BUCKETS.index(bound)
    assert (counts[at], counts[at + 1], sum(counts)) == (1, 1, 2)


def test_interruptions_leave_durations_alone() -> None:
    changes = Book().change([INTERRUPTION, FAILURE], [5.0, None], None, 5.0)
    assert changes.durations == []
