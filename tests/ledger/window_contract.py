"""The contract's tests of a deduplication window that the ledger keeps itself."""

from exporter.ledger.contract import ACCEPTED, DUPLICATE
from tests.ledger.batches import batch
from tests.ledger.home import Home


class OwnWindowContract:
    """For a ledger whose window is bounded in ids too; ids age only while a process has the ledger open."""

    async def test_the_window_keeps_the_configured_number_of_ids(self, home: Home) -> None:
        ledger = await home.open(ids=20)
        for number in range(60):
            await ledger.commit(batch([number]))
        assert ledger.status().window_ids == 20
        assert ledger.status().window_expired["ids"] == 40
        assert (await ledger.commit(batch(range(40, 60)))).duplicates == 20
        assert (await ledger.commit(batch([39]))).accepted == 1

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

    async def test_ids_expire_without_traffic(self, home: Home) -> None:
        ledger = await home.open(age=100.0)
        for number in range(20):
            home.monotonic.advance(5)
            await ledger.commit(batch([number]))
        home.monotonic.advance(101)
        while ledger.status().window_ids:
            await ledger.commit(batch([]))
            home.monotonic.advance(1)

    async def test_time_without_an_open_ledger_does_not_age_ids(self, home: Home) -> None:
        ledger = await home.open(age=100.0)
        await ledger.commit(batch([1]))
        await ledger.close()
        home.wall.advance(1000)
        home.monotonic.advance(1000)
        ledger = await home.open(age=100.0)
        await ledger.commit(batch([], unkeyed=1))
        assert (await ledger.commit(batch([1]))).duplicates == 1
