"""The contract's tests of the totals: durations, exemplars, creation times, first-seen delays."""

import asyncio

import pytest

from exporter.ledger.contract import BUCKETS, DurationTotal, Exemplar, Ledger, Total
from tests.ledger.batches import FAILURE, INTERRUPTION, LATE, OTHER, batch
from tests.ledger.home import Home
from tests.ledger.shown import total
from tests.ledger.waiting import until


def durations(ledger: Ledger) -> DurationTotal:
    [histogram] = ledger.totals().durations
    return histogram


class TotalsContract:
    """Part of `LedgerContract`."""

    async def test_durations_fall_into_buckets_with_inclusive_bounds(self, home: Home) -> None:
        ledger = await home.open()
        seconds = [0.0, *BUCKETS, 28800.1, None, 1.1]
        await ledger.commit(batch([], unkeyed=len(seconds), durations=seconds))
        histogram = durations(ledger)
        assert (histogram.system, histogram.outcome) == ("streampixel", "failure")
        assert histogram.counts == (2, 2, *[1] * 10, 1)
        assert histogram.total == pytest.approx(sum(BUCKETS) + 28800.1 + 1.1)
        assert histogram.created == home.wall.now

    async def test_durations_of_duplicates_and_interruptions_are_not_observed(
        self, home: Home
    ) -> None:
        ledger = await home.open()
        await ledger.commit(batch([1, 2], of=INTERRUPTION, durations=[5.0, 6.0]))
        assert ledger.totals().durations == []
        await ledger.commit(batch([3, 3], durations=[5.0, 6.0]))
        await ledger.commit(batch([4], of=LATE, durations=[7.0]))
        assert (sum(durations(ledger).counts), durations(ledger).total) == (2, 12.0)

    async def test_histograms_add_up_across_commits_and_restarts(self, home: Home) -> None:
        ledger = await home.open()
        created = home.wall.now
        await asyncio.gather(*(ledger.commit(batch([n], durations=[n / 2])) for n in range(40)))
        await ledger.close()
        home.wall.advance(60)
        ledger = await home.open()
        await ledger.commit(batch([], unkeyed=1, durations=[0.25]))
        assert durations(ledger).counts == (4, 8, 20, 9, *[0] * 9)
        assert durations(ledger).total == sum(n / 2 for n in range(40)) + 0.25
        assert durations(ledger).created == created

    async def test_the_last_session_of_a_series_is_its_exemplar(self, home: Home) -> None:
        ledger = await home.open()
        await ledger.commit(batch([1, 2, 3], sessions=["a", "b", None]))
        first = Exemplar("b", home.wall.now)
        assert total(ledger).exemplar == first
        home.wall.advance(5)
        await ledger.commit(batch([1], sessions=["duplicate"]))
        await ledger.commit(batch([4]))
        assert total(ledger).exemplar == first
        await ledger.commit(batch([5], sessions=["c"]))
        assert total(ledger).exemplar == Exemplar("c", home.wall.now)

    async def test_a_series_keeps_its_time_of_creation(self, home: Home) -> None:
        ledger = await home.open()
        created = home.wall.now
        await ledger.commit(batch([1]))
        home.wall.advance(60)
        await ledger.commit(batch([2]))
        assert total(ledger).created == created
        await ledger.close()
        assert total(await home.open()).created == created

    async def test_known_series_start_at_zero_without_a_delay(self, home: Home) -> None:
        ledger = await home.open(zero=[FAILURE, LATE])
        await until(lambda: len(ledger.totals().series) == 2)
        assert total(ledger) == Total(FAILURE, 0, home.wall.now)
        await ledger.commit(batch([1]))
        assert not total(ledger).delayed

    async def test_a_new_series_is_delayed_until_scrapes_have_seen_it(self, home: Home) -> None:
        ledger = await home.open(first_seen_delay=75.0)
        await ledger.commit(batch([1]))
        assert (total(ledger).delayed, total(ledger).value) == (True, 1)
        home.monotonic.advance(74.9)
        # Each commit is followed by housekeeping when a tick has passed.
        await ledger.commit(batch([2]))
        await ledger.commit(batch([3], of=OTHER))
        assert total(ledger).delayed
        home.monotonic.advance(1.2)
        await ledger.commit(batch([4], of=OTHER))
        await until(lambda: not total(ledger).delayed)
        assert total(ledger).value == 2
        assert total(ledger, OTHER).delayed

    async def test_a_restart_starts_the_delay_of_a_delayed_series_again(self, home: Home) -> None:
        ledger = await home.open(first_seen_delay=75.0)
        await ledger.commit(batch([1]))
        home.monotonic.advance(76)
        await ledger.commit(batch([2], of=OTHER))
        await until(lambda: not total(ledger).delayed)
        home.monotonic.advance(74)
        await ledger.close()
        ledger = await home.open(first_seen_delay=75.0)
        assert (total(ledger).delayed, total(ledger, OTHER).delayed) == (False, True)
        home.monotonic.advance(74)
        await ledger.commit(batch([3]))
        await ledger.commit(batch([4]))
        assert total(ledger, OTHER).delayed
        home.monotonic.advance(2)
        await ledger.commit(batch([5]))
        await until(lambda: not total(ledger, OTHER).delayed)
