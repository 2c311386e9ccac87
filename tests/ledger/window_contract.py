"""The contract's tests of a window that a ledger keeps itself."""

from exporter.ledger.contract import ACCEPTED, DUPLICATE
from tests.ledger.batches import batch
from tests.ledger.home import Home


class OwnWindowContract:
    """For a ledger that keeps its window itself: bounded in ids too, by a clock that stands still while no
    process has it open."""

    async def test_as_many_ids_as_asked_for_are_remembered_and_older_ones_are_not(
        self, home: Home
    ) -> None:
        ledger = await home.open(ids=50)
        for number in range(200):
            await ledger.commit(batch([number]))
        assert ledger.status().window_ids == 50
        assert ledger.status().window_expired["ids"] == 150
        assert (await ledger.commit(batch(range(150, 200)))).duplicates == 50
        assert (await ledger.commit(batch([149]))).accepted == 1
        await ledger.close()

    async def test_ids_expire_at_their_age_and_not_before(self, home: Home) -> None:
        ledger = await home.open(age=100.0)
        await ledger.commit(batch([1]))
        home.monotonic.advance(60)
        await ledger.commit(batch([2]))
        assert ledger.status().window_span == 60
        home.monotonic.advance(40)
        assert (await ledger.commit(batch([1], unkeyed=1))).duplicates == 1
        home.monotonic.advance(2)
        await ledger.commit(batch([], unkeyed=1))
        assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([ACCEPTED, DUPLICATE])
        assert ledger.status().window_expired == {"age": 1, "ids": 0}
        await ledger.close()

    async def test_ids_expire_without_traffic(self, home: Home) -> None:
        ledger = await home.open(age=100.0)
        for number in range(20):
            await ledger.commit(batch([number]))
        home.monotonic.advance(101)
        while ledger.status().window_ids:
            await ledger.commit(batch([]))
            home.monotonic.advance(1)
        await ledger.close()

    async def test_time_without_an_open_ledger_does_not_age_ids(self, home: Home) -> None:
        ledger = await home.open(age=100.0)
        await ledger.commit(batch([1]))
        await ledger.close()
        home.wall.advance(1000)
        home.monotonic.advance(1000)
        ledger = await home.open(age=100.0)
        await ledger.commit(batch([], unkeyed=1))
        assert (await ledger.commit(batch([1]))).duplicates == 1
        await ledger.close()
