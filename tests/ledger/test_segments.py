"""Rows of the deduplication window: which commits share a row, and when rows expire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.segments import ROW_IDS, SHARE, Expiry, Segment, Segments
from exporter.ledger.window import Window
from tests.ledger.test_window import add


def filled(counts: list[int], *, ids: int = 100, age: float = 1000.0, slack: int = 50) -> Segments:
    """Rows of their own for commits 1, 2, … at ages 1, 2, … seconds."""
    segments = Segments(ids, age, ids + slack)
    for number, count in enumerate(counts, start=1):
        segments.add(Segment(number, count, number, number))
    return segments


def test_nothing_expires_below_both_bounds() -> None:
    assert filled([10, 10]).due(3.0, 10) == Expiry(0, 0, {"age": 0, "ids": 0})


def test_a_row_expires_when_the_remaining_ids_reach_the_bound() -> None:
    assert filled([30, 30, 30]).due(4.0, 39).segments == 0
    assert filled([30, 30, 30]).due(4.0, 40) == Expiry(1, 1, {"age": 0, "ids": 30})


def test_a_row_expires_only_after_its_age() -> None:
    segments = filled([10, 10], age=100.0)
    assert segments.due(101.0, 0).segments == 0
    assert segments.due(101.5, 0) == Expiry(1, 1, {"age": 10, "ids": 0})
    assert segments.due(103.0, 0).number == 2


def test_few_rows_expire_by_age_in_one_transaction() -> None:
    assert filled([1] * 20, age=100.0).due(1000.0, 0).segments == 8


def test_a_full_window_drops_as_many_rows_as_the_commit_needs() -> None:
    assert filled([10] * 10, ids=100).due(11.0, 100).segments == 10


def test_dropped_ids_are_counted_by_the_bound_they_exceeded() -> None:
    segments, window = filled([10, 10], age=100.0), Window(100, 50)
    add(window, list(range(20)))
    segments.drop(segments.due(101.5, 0), window)
    assert segments.expired == {"age": 10, "ids": 0}
    assert (len(window), segments.span(102.0)) == (10, 100.0)
    segments.drop(segments.due(101.5, 100), window)
    assert segments.expired == {"age": 10, "ids": 10}
    assert segments.span(102.0) == 0.0


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 50)), min_size=1), st.integers(1, 600))
def test_window_never_overflows_nor_forgets_within_both_bounds(
    commits: list[tuple[int, float]], ids: int
) -> None:
    segments, window = Segments(ids, 100.0, ids + 30), Window(ids, 30)
    order: list[float] = []
    now = 0.0
    for number, (count, gap) in enumerate(commits, start=1):
        now += gap
        expiry, segment = segments.due(now, count), segments.extended(number, count, now)
        assert segment.number > expiry.number, "an expiring row was extended"
        segments.drop(expiry, window)
        add(window, list(range(len(order), len(order) + count)))
        segments.add(segment)
        order += [now] * count
        promised = [at for at in order[-ids:] if now - at <= 100.0]
        assert len(promised) <= len(window) <= ids + 30


def test_small_commits_share_a_row_until_it_is_full() -> None:
    segments = filled([ROW_IDS - 2], ids=100_000, age=86400.0, slack=10_000)
    shared = segments.extended(2, 2, 5.0)
    assert shared == Segment(1, ROW_IDS, 1, 5.0)
    segments.add(shared)
    assert segments.extended(3, 1, 6.0) == Segment(3, 1, 6.0, 6.0)


def test_ids_of_a_shared_row_count_once_against_the_bound() -> None:
    segments = filled([1], ids=2 * SHARE, slack=10)
    segments.add(segments.extended(2, 1, 1.0))
    assert segments.due(1.0, 2 * SHARE - 1).segments == 0
    assert segments.due(1.0, 2 * SHARE).segments == 1


@pytest.mark.parametrize(
    ("ids", "age", "slack"),
    [(2 * SHARE - 1, 86400.0, 1000), (100_000, SHARE, 1000), (100_000, 86400.0, 3)],
    ids=["ids", "age", "slack"],
)
def test_commits_share_no_row_that_would_make_a_bound_coarse(
    ids: int, age: float, slack: int
) -> None:
    segments = filled([1], ids=ids, age=age, slack=slack)
    assert segments.extended(2, 1, 2.1) == Segment(2, 1, 2.1, 2.1)
