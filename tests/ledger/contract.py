"""The contract of `exporter.ledger.contract` as tests: a ledger passes by subclassing `LedgerContract`
in a test module, with a fixture `home` that opens it."""

import asyncio
import threading

import pytest

from exporter.errors import QueueFull, ShuttingDown
from exporter.ledger.contract import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    Receipt,
)
from tests.ledger.batches import OTHER, batch, series
from tests.ledger.home import Home
from tests.ledger.shown import value
from tests.ledger.totals_contract import TotalsContract


class LedgerContract(TotalsContract):
    """Each test opens the ledger of the fixture `home`, and closes it."""

    async def test_an_id_counts_once_within_a_batch(self, home: Home) -> None:
        ledger = await home.open()
        receipt = await ledger.commit(batch([1, 2, 1, 1]))
        assert receipt.verdicts == bytes([ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE])
        assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (2, 2, 0)
        assert value(ledger) == 2
        await ledger.close()

    async def test_an_id_counts_once_across_batches(self, home: Home) -> None:
        ledger = await home.open()
        assert await ledger.commit(batch([1, 2])) == Receipt(2)
        assert (await ledger.commit(batch([3, 2]))).verdicts == bytes([ACCEPTED, DUPLICATE])
        assert (await ledger.commit(batch([1, 2, 3]))).duplicates == 3
        assert value(ledger) == 3
        await ledger.close()

    async def test_an_id_counts_once_across_concurrent_commits(self, home: Home) -> None:
        ledger = await home.open()
        batches = [batch(range(start, start + 20)) for start in range(100)]
        receipts = await asyncio.gather(*map(ledger.commit, batches))
        assert sum(receipt.accepted for receipt in receipts) == value(ledger) == 119
        assert sum(receipt.duplicates for receipt in receipts) == 2000 - 119
        await ledger.close()

    async def test_the_first_call_of_concurrent_commits_wins(self, home: Home) -> None:
        ledger = await home.open()
        receipts = await asyncio.gather(*(ledger.commit(batch([(7, n)])) for n in range(20)))
        assert [receipt.conflicts for receipt in receipts] == [0] + [1] * 19
        await ledger.close()

    async def test_the_same_id_with_other_content_is_a_conflict_and_the_first_wins(
        self, home: Home
    ) -> None:
        ledger = await home.open()
        inside = await ledger.commit(batch([(1, 0), (1, 1), (1, 0)]))
        assert inside.verdicts == bytes([ACCEPTED, CONFLICT, DUPLICATE])
        later = await ledger.commit(batch([(1, 1), (1, 0), (2, 1)], of=OTHER))
        assert later.verdicts == bytes([CONFLICT, DUPLICATE, ACCEPTED])
        assert (value(ledger), value(ledger, OTHER)) == (1, 1)
        await ledger.close()

    async def test_an_event_without_a_key_is_always_counted(self, home: Home) -> None:
        ledger = await home.open()
        assert await ledger.commit(batch([], unkeyed=3)) == Receipt(3)
        mixed = await asyncio.gather(*(ledger.commit(batch([1], unkeyed=2)) for _ in range(3)))
        assert [receipt.accepted for receipt in mixed] == [3, 2, 2]
        assert mixed[1].verdicts == bytes([DUPLICATE, ACCEPTED, ACCEPTED])
        assert value(ledger) == 10
        await ledger.close()

    async def test_an_empty_batch_gets_its_receipt(self, home: Home) -> None:
        ledger = await home.open()
        assert await ledger.commit(batch([])) == Receipt(0)
        await ledger.close()

    async def test_a_receipt_comes_after_its_events_show_in_the_totals(self, home: Home) -> None:
        ledger = await home.open()

        async def send(number: int) -> None:
            before = value(ledger)
            await ledger.commit(batch([number], unkeyed=4))
            assert value(ledger) >= before + 5

        await asyncio.gather(*map(send, range(50)))
        assert value(ledger) == 250
        await ledger.close()

    async def test_a_deferrable_batch_shares_the_write_of_the_next(self, home: Home) -> None:
        writes: list[float] = []
        ledger = await home.open(on_commit=writes.append, longest_wait=3600.0)
        deferred = [
            asyncio.create_task(ledger.commit(batch([n], deferrable=True))) for n in range(20)
        ]
        await asyncio.sleep(0)
        assert ledger.status().queue_events == 20
        assert (await ledger.commit(batch([19, 20]))).verdicts == bytes([DUPLICATE, ACCEPTED])
        assert all(task.done() and task.result() == Receipt(1) for task in deferred)
        assert (len(writes), value(ledger)) == (1, 21)
        await ledger.close()

    async def test_a_deferrable_batch_is_written_when_no_other_comes(self, home: Home) -> None:
        writes: list[float] = []
        ledger = await home.open(on_commit=writes.append)
        for numbers in ([1, 2], [2, 3]):
            alone = (ledger.commit(batch([number], deferrable=True)) for number in numbers)
            receipts = await asyncio.wait_for(asyncio.gather(*alone), 60)
        assert [receipt.duplicates for receipt in receipts] == [1, 0]
        assert (len(writes), value(ledger)) == (2, 3)
        await ledger.close()

    async def test_close_answers_deferrable_batches_too(self, home: Home) -> None:
        ledger = await home.open(longest_wait=3600.0)
        deferred = asyncio.create_task(ledger.commit(batch([1], deferrable=True)))
        await asyncio.sleep(0)
        await ledger.close()
        assert (await asyncio.wait_for(deferred, 60)).accepted == 1
        again = await home.open()
        assert value(again) == 1
        await again.close()

    async def test_a_cancelled_caller_does_not_take_its_batch_back(self, home: Home) -> None:
        ledger = await home.open()
        task = asyncio.create_task(ledger.commit(batch([1, 2])))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ledger.commit(batch([1, 2, 3]))).duplicates == 2
        assert value(ledger) == 3
        assert ledger.status().queue_events == ledger.status().queue_bytes == 0
        await ledger.close()

    async def test_close_answers_what_it_took_and_refuses_what_comes_later(
        self, home: Home
    ) -> None:
        ledger = await home.open()
        taken = [asyncio.create_task(ledger.commit(batch([n]))) for n in range(200)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await ledger.commit(batch([1000]))
        await closing
        assert all(task.done() and task.result().accepted for task in taken)
        with pytest.raises(ShuttingDown):
            await ledger.commit(batch([1000]))
        await asyncio.gather(ledger.close(), ledger.close())
        assert ledger.status().problem == "shutting down"
        again = await home.open()
        assert value(again) == 200
        assert (await again.commit(batch([1000]))).accepted == 1
        await again.close()

    async def test_totals_and_status_can_be_read_from_any_thread(self, home: Home) -> None:
        ledger = await home.open(ids=8)
        seen: set[int] = set()
        stop, mistakes = threading.Event(), []

        def read() -> None:
            last = 0
            try:
                while not stop.is_set():
                    before, last = last, sum(one.value for one in ledger.totals().series)
                    assert before <= last
                    seen.add(last)
                    status = ledger.status()
                    assert status.window_ids >= 0
                    assert status.problem is None
            except BaseException as mistake:
                mistakes.append(mistake)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(25):
            await ledger.commit(batch([number], of=series(f"{number % 10}"), unkeyed=1))
            await ledger.commit(batch([number + 1000]))
        stop.set()
        for reader in readers:
            reader.join()
        assert not mistakes
        assert seen
        assert sum(one.value for one in ledger.totals().series) == 75
        await ledger.close()

    async def test_a_queue_that_is_full_refuses_and_counts_nothing(self, home: Home) -> None:
        ledger = await home.open(queue_events=10)
        taken = asyncio.create_task(ledger.commit(batch(range(8))))
        await asyncio.sleep(0)
        assert ledger.status().queue_events == 8
        with pytest.raises(QueueFull) as refusal:
            await ledger.commit(batch([100, 101, 102]))
        assert refusal.value.retry_after
        assert (await taken).accepted == 8
        assert (await ledger.commit(batch([100, 101, 102]))).accepted == 3
        await ledger.close()

    async def test_a_queue_is_bounded_in_bytes_too(self, home: Home) -> None:
        ledger = await home.open(queue_bytes=1000)
        taken = asyncio.create_task(ledger.commit(batch(range(20))))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await ledger.commit(batch([100]))
        assert (await taken).accepted == 20
        await ledger.close()

    async def test_a_restart_forgets_neither_totals_nor_ids_nor_its_name(self, home: Home) -> None:
        ledger = await home.open()
        await ledger.commit(batch([(1, 5), (2, 6)], unkeyed=1, sessions=["a", "b", "c"]))
        before = ledger.totals()
        await ledger.close()
        home.wall.advance(25 * 3600)
        ledger = await home.open()
        after = ledger.totals()
        assert after.ledger == before.ledger
        assert [(one.series.key, one.value, one.exemplar) for one in after.series] == [
            (one.series.key, one.value, one.exemplar) for one in before.series
        ]
        receipt = await ledger.commit(batch([(1, 5), (2, 5), (3, 5)]))
        assert receipt.verdicts == bytes([DUPLICATE, CONFLICT, ACCEPTED])
        await ledger.close()

    @pytest.mark.parametrize("hours", [-25, 25])
    async def test_a_wall_clock_that_jumps_expires_nothing(self, home: Home, hours: int) -> None:
        ledger = await home.open()
        await ledger.commit(batch([1]))
        home.wall.advance(hours * 3600)
        await ledger.commit(batch([2]))
        assert (await ledger.commit(batch([1]))).duplicates == 1
        await ledger.close()
        home.wall.advance(hours * 3600)
        ledger = await home.open()
        assert (await ledger.commit(batch([1, 2]))).duplicates == 2
        await ledger.close()
