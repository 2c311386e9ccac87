"""Totals in memory: the changes of a transaction are shown at the same moment."""

from collections.abc import Iterator

from exporter.ledger.contract import Total
from exporter.ledger.totals import Changes, RunningTotals
from tests.ledger.batches import FAILURE


def test_end_and_its_repeat_are_shown_at_once() -> None:
    """Fails when a scrape between the two sees fewer ends without repeats than the scrape before."""
    totals = RunningTotals()
    seen: list[int] = []

    class Series(list[Total]):
        def __iter__(self) -> Iterator[Total]:
            for total in super().__iter__():
                yield total
                seen.append(sum(total.value for total in totals.series()))

    ends = totals.change([FAILURE] * 2, None, None, 1.0, [FAILURE])
    totals.publish(Changes(Series(ends.series), []))
    assert seen == [0, 0]
    assert sum(total.value for total in totals.series()) == 3
