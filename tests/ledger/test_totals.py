"""Totals in memory: all changes of a transaction become visible at the same moment."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.contract import BUCKETS, Batch, Series, Total
from exporter.ledger.totals import Changes, RunningTotals
from tests.ledger.batches import FAILURE, INTERRUPTION, LATE, OTHER


def test_end_and_its_repeat_are_shown_at_once() -> None:
    """Fails when the two are not published together: ends without repeats would decrease between scrapes."""
    totals = RunningTotals()
    seen: list[int] = []

    class Slow(list[Total]):
        def __iter__(self) -> Iterator[Total]:
            for total in super().__iter__():
                yield total
                seen.append(sum(total.value for total in totals.series()))

    ends = totals.change(Batch([FAILURE] * 2), 1.0, [FAILURE])
    totals.publish(Changes(Slow(ends.series), []))
    assert seen == [0, 0]
    assert sum(total.value for total in totals.series()) == 3


SUCCESS = replace(OTHER, outcome="success")
FURTHER = [replace(FAILURE, system="softdrive")] * 20


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FAILURE, OTHER, LATE, INTERRUPTION, SUCCESS]),
            st.none() | st.sampled_from([0.0, *BUCKETS]) | st.floats(0, 1e5),
        ),
        max_size=12,
    )
)
def test_few_and_many_durations_have_the_same_histograms(
    events: list[tuple[Series, float | None]],
) -> None:
    """Additional events make the group large."""
    series, seconds = [each for each, _ in events], [duration for _, duration in events]
    few = RunningTotals().change(Batch(series, durations=seconds), 1.0)
    larger = Batch(series + FURTHER, durations=seconds + [None] * 20)
    many = RunningTotals().change(larger, 1.0)
    by_outcome = {each.outcome: each for each in many.durations}
    assert {each.outcome for each in few.durations} == set(by_outcome)
    for each in few.durations:
        same = by_outcome[each.outcome]
        assert each.counts == same.counts
        assert each.total == pytest.approx(same.total)
