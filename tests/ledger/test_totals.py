"""Totals in memory: all changes of a transaction become visible at the same moment."""

from collections.abc import Iterator

from exporter.ledger.contract import Batch, Total
from exporter.ledger.totals import Changes, RunningTotals
from tests.ledger.batches import FAILURE


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
