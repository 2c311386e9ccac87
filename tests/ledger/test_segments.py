"""Which commits leave the window, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.segments import RUN, SHARE, SMALL, Expiry, Run, Segments
from exporter.ledger.window import Window
from tests.ledger.test_window import add


def filled(counts: list[int], *, ids: int = 100, age: float = 1000.0, slack: int = 50) -> Segments:
    segments = Segments(ids, age, ids + slack)
    for number, count in enumerate(counts, start=1):
        segments.append(number, count, float(number))
    return segments


def test_nothing_is_due_below_both_bounds() -> None:
    assert filled([10, 10]).due(3.0, 10) == Expiry(0, 0, {"age": 0, "ids": 0})


def test_a_commit_goes_only_when_the_rest_makes_up_the_bound() -> None:
    assert filled([30, 30, 30]).due(4.0, 39).segments == 0
    assert filled([30, 30, 30]).due(4.0, 40) == Expiry(1, 1, {"age": 0, "ids": 30})


def test_age_is_exceeded_before_a_commit_goes() -> None:
    segments = filled([10, 10], age=100.0)
    assert segments.due(101.0, 0).segments == 0
    assert segments.due(101.5, 0) == Expiry(1, 1, {"age": 10, "ids": 0})
    assert segments.due(103.0, 0).number == 2


def test_age_expires_a_few_commits_at_a_time() -> None:
    segments = filled([1] * 20, age=100.0)
    assert segments.due(1000.0, 0).segments == 8
    assert segments.due(1000.0, 0, most=3).number == 3


def test_a_window_without_room_lets_go_of_as_many_as_it_takes() -> None:
    assert filled([10] * 10, ids=100).due(11.0, 100).segments == 10


def test_a_batch_larger_than_the_slack_still_fits() -> None:
    segments, window = Segments(10, 1000.0, 14), Window(10, 4)
    segments.append(1, 9, 1.0)
    add(window, list(range(9)))
    expiry = segments.due(2.0, 8)
    segments.drop(expiry, window)
    add(window, list(range(100, 108)))
    assert (expiry.segments, len(window)) == (1, 8)


def test_what_was_dropped_is_counted_by_the_bound_that_was_hit() -> None:
    segments, window = filled([10, 10], age=100.0), Window(100, 50)
    add(window, list(range(20)))
    segments.drop(segments.due(101.5, 0), window)
    assert segments.expired == {"age": 10, "ids": 0}
    assert (len(window), segments.span(102.0)) == (10, 100.0)
    segments.drop(segments.due(101.5, 100), window)
    assert segments.expired == {"age": 10, "ids": 10}
    assert segments.span(102.0) == 0.0


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 50)), min_size=1), st.integers(1, 60))
def test_the_window_never_overflows_nor_forgets_within_both_bounds(
    commits: list[tuple[int, float]], ids: int
) -> None:
    segments, window = Segments(ids, 100.0, ids + 30), Window(ids, 30)
    order: list[float] = []
    now = 0.0
    for number, (count, gap) in enumerate(commits, start=1):
        now += gap
        segments.drop(segments.due(now, count), window)
        add(window, list(range(len(order), len(order) + count)))
        segments.append(number, count, now)
        order += [now] * count
        kept = order[len(order) - len(window) :]
        promised = [at for at in order[-ids:] if now - at <= 100.0]
        assert len(kept) >= len(promised)
        assert len(window) <= ids + 30


def test_a_run_is_as_many_small_commits_as_are_worth_merging() -> None:
    segments = filled([1] * (RUN - 1), ids=100_000, age=86400.0, slack=10_000)
    assert segments.run() is None
    segments.append(RUN, 1, float(RUN))
    assert segments.run() == Run(1, RUN, RUN, RUN, float(RUN))
    assert segments.run() is None


def test_a_large_commit_ends_a_run() -> None:
    segments = filled([1] * RUN + [SMALL + 1], ids=100_000, age=86400.0, slack=10_000)
    assert segments.run() is None


@pytest.mark.parametrize(
    ("ids", "age", "slack"),
    [(RUN * SHARE - 1, 86400.0, 10_000), (100_000, RUN - 2.0, 10_000), (100_000, 86400.0, RUN)],
    ids=["ids", "age", "slack"],
)
def test_commits_are_not_merged_where_that_makes_a_bound_much_coarser(
    ids: int, age: float, slack: int
) -> None:
    assert filled([1] * RUN, ids=ids, age=age, slack=slack).run() is None


def test_merged_commits_are_due_together_when_the_latest_is() -> None:
    segments = filled([2] * RUN, ids=100_000, age=86400.0, slack=10_000)
    run = segments.run()
    assert run is not None
    segments.merge(run)
    assert segments.due(86400.0 + RUN, 0).segments == 0
    assert segments.due(86400.1 + RUN, 0) == Expiry(RUN, 1, {"age": 2 * RUN, "ids": 0})
