"""The contract of `exporter.ledger.contract`, kept by the ledger in each kind of store."""

import asyncio
import threading
from pathlib import Path

import pytest

from exporter.errors import QueueFull, ShuttingDown
from exporter.ledger import queued
from exporter.ledger.contract import (
    ACCEPTED,
    BUCKETS,
    CONFLICT,
    DUPLICATE,
    DurationTotal,
    Exemplar,
    Ledger,
    Receipt,
    Total,
)
from tests.ledger.batches import FAILURE, INTERRUPTION, LATE, OTHER, batch, series
from tests.ledger.home import RedisHome, SqliteHome, total, until, value

Home = SqliteHome | RedisHome
USER = b"one user"


def repeats(ledger: Ledger) -> int:
    return value(ledger, FAILURE.of_repeats())


def durations(ledger: Ledger) -> DurationTotal:
    [histogram] = ledger.totals().durations
    return histogram


@pytest.fixture(params=["sqlite", "redis_server", "valkey_server", "redis_cluster"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    if request.param == "sqlite":
        return SqliteHome(tmp_path / "data")
    store = request.getfixturevalue(request.param)
    store.empty()
    return RedisHome(store.url)


# --- deduplication -------------------------------------------------------------------------


async def test_id_with_other_content_is_a_conflict_and_the_first_wins(home: Home) -> None:
    ledger = await home.open()
    first = await ledger.commit(batch([(1, 0), (1, 1), (1, 0)]))
    assert first.verdicts == bytes([ACCEPTED, CONFLICT, DUPLICATE])
    assert (first.accepted, first.conflicts, first.duplicates) == (1, 1, 1)
    later = await ledger.commit(batch([(1, 1), (1, 0), (2, 1)], of=OTHER))
    assert later.verdicts == bytes([CONFLICT, DUPLICATE, ACCEPTED])
    assert (value(ledger), value(ledger, OTHER)) == (1, 1)


async def test_event_without_a_key_is_always_counted(home: Home) -> None:
    ledger = await home.open()
    assert await ledger.commit(batch([])) == Receipt(0)
    assert await ledger.commit(batch([], unkeyed=3)) == Receipt(3)
    mixed = await asyncio.gather(*(ledger.commit(batch([1], unkeyed=2)) for _ in range(3)))
    assert [receipt.accepted for receipt in mixed] == [3, 2, 2]
    assert mixed[1].verdicts == bytes([DUPLICATE, ACCEPTED, ACCEPTED])
    assert value(ledger) == 10


@pytest.mark.parametrize("hours", [-25, 25])
async def test_jump_of_the_wall_clock_expires_nothing(home: Home, hours: int) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    home.wall.advance(hours * 3600)
    await ledger.commit(batch([2]))
    assert (await ledger.commit(batch([1]))).duplicates == 1
    await ledger.close()
    home.wall.advance(hours * 3600)
    ledger = await home.open()
    assert (await ledger.commit(batch([1, 2]))).duplicates == 2


# --- order, queue, shutdown ----------------------------------------------------------------


async def test_deferrable_batch_shares_the_write_of_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "LONGEST_WAIT", 3600.0)
    writes: list[float] = []
    ledger = await home.open(on_commit=writes.append)
    deferred = [asyncio.create_task(ledger.commit(batch([n], deferrable=True))) for n in range(20)]
    await asyncio.sleep(0)
    assert ledger.status().queue_events == 20
    assert (await ledger.commit(batch([19, 20]))).verdicts == bytes([DUPLICATE, ACCEPTED])
    assert all(task.done() and task.result() == Receipt(1) for task in deferred)
    (seconds,) = writes
    assert seconds > 0
    assert value(ledger) == 21


async def test_deferrable_batch_is_written_when_no_other_comes(home: Home) -> None:
    writes: list[float] = []
    ledger = await home.open(on_commit=writes.append)
    for numbers in ([1, 2], [2, 3]):
        alone = (ledger.commit(batch([number], deferrable=True)) for number in numbers)
        receipts = await asyncio.gather(*alone)
    assert [receipt.duplicates for receipt in receipts] == [1, 0]
    assert (len(writes), value(ledger)) == (2, 3)


async def test_batch_of_a_cancelled_caller_is_still_counted(home: Home) -> None:
    ledger = await home.open()
    task = asyncio.create_task(ledger.commit(batch([1, 2])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ledger.commit(batch([1, 2, 3]))).duplicates == 2
    assert value(ledger) == 3
    assert ledger.status().queue_events == 0


async def test_full_queue_refuses_and_counts_nothing(home: Home) -> None:
    ledger = await home.open(queue_events=10)
    earlier = asyncio.create_task(ledger.commit(batch(range(20))))
    await asyncio.sleep(0)
    assert ledger.status().queue_events == 20
    with pytest.raises(QueueFull) as refusal:
        await ledger.commit(batch([100, 101, 102]))
    assert refusal.value.retry_after
    assert (await earlier).accepted == 20
    assert (await ledger.commit(batch([100, 101, 102]))).accepted == 3


async def test_close_answers_earlier_batches_and_refuses_later_ones(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "LONGEST_WAIT", 3600.0)
    ledger = await home.open()
    earlier = [asyncio.create_task(ledger.commit(batch([n]))) for n in range(200)]
    earlier.append(asyncio.create_task(ledger.commit(batch([200], deferrable=True))))
    await asyncio.sleep(0)
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await ledger.commit(batch([1000]))
    await closing
    assert all(task.done() and task.result().accepted for task in earlier)
    await asyncio.gather(ledger.close(), ledger.close())
    assert ledger.status().problem == "shutting down"
    again = await home.open()
    assert value(again) == 201
    assert (await again.commit(batch([1000]))).accepted == 1


async def test_totals_and_status_can_be_read_from_any_thread(home: Home) -> None:
    ledger = await home.open(ids=8)
    stop = threading.Event()

    def read() -> int:
        reads = last = 0
        while not stop.wait(0.0005):
            before, last = last, sum(total.value for total in ledger.totals().series)
            assert before <= last
            status = ledger.status()
            assert (status.window_ids >= 0, status.problem) == (True, None)
            reads += 1
        return reads

    readers = [asyncio.create_task(asyncio.to_thread(read)) for _ in range(2)]
    for number in range(25):
        await ledger.commit(batch([number], of=series(f"{number % 10}"), unkeyed=1))
        await ledger.commit(batch([number + 1000]))
    stop.set()
    assert all(await asyncio.gather(*readers))
    assert sum(total.value for total in ledger.totals().series) == 75


# --- repeats -------------------------------------------------------------------------------


async def test_later_ends_of_a_user_are_repeats_for_15_minutes(home: Home) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1], users=[USER]))
    assert repeats(ledger) == 0
    home.monotonic.advance(899)
    await ledger.commit(batch([2], users=[USER]))
    await ledger.commit(batch([3, 4], unkeyed=1, users=[None, b"another!", USER]))
    assert (value(ledger), repeats(ledger)) == (5, 2)
    # Repeats do not extend the 15 minutes.
    home.monotonic.advance(1)
    await ledger.commit(batch([6], users=[USER]))
    assert (value(ledger), repeats(ledger)) == (6, 2)


async def test_duplicate_is_no_repeat_and_its_user_is_not_remembered(home: Home) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    for _ in range(2):
        assert (await ledger.commit(batch([1], users=[USER]))).duplicates == 1
    await ledger.commit(batch([2], users=[USER]))
    assert (value(ledger), repeats(ledger)) == (2, 0)
    assert (await ledger.commit(batch([2, (1, 7), 3], users=[USER, USER, None]))).accepted == 1
    assert (value(ledger), repeats(ledger)) == (3, 0)


async def test_restart_keeps_repeats_and_forgets_users(home: Home) -> None:
    ledger = await home.open(zero=[FAILURE, FAILURE.of_repeats()])
    await ledger.commit(batch([1, 2], users=[USER, USER]))
    await ledger.close()
    ledger = await home.open()
    assert (value(ledger), repeats(ledger)) == (2, 1)
    await ledger.commit(batch([3, 4], users=[USER, USER]))
    assert (value(ledger), repeats(ledger)) == (4, 2)


# --- totals --------------------------------------------------------------------------------


async def test_restart_keeps_totals_ids_and_the_name(home: Home) -> None:
    ledger = await home.open()
    session, began = "a b  c ✓ - 7 | {}", home.wall.now
    await ledger.commit(batch([(1, 5), (2, 6)], unkeyed=1, sessions=[session] * 3))
    before = ledger.totals()
    await ledger.close()
    home.wall.advance(25 * 3600)
    ledger = await home.open(zero=[FAILURE])
    assert total(ledger).exemplar == Exemplar(session, began)
    after = ledger.totals()
    assert after.ledger == before.ledger
    assert [(row.series.key, row.value, row.exemplar) for row in after.series] == [
        (row.series.key, row.value, row.exemplar) for row in before.series
    ]
    receipt = await ledger.commit(batch([(1, 5), (2, 5), (3, 5)]))
    assert receipt.verdicts == bytes([DUPLICATE, CONFLICT, ACCEPTED])
    assert value(ledger) == 4


async def test_defect_of_one_caller_leaves_the_answers_of_others(home: Home) -> None:
    """Fails when an error ends the loop over the answers: later callers waited forever."""
    ledger = await home.open()
    answers: list[object] = []

    def fail(answer: object) -> None:
        answers.append(answer)
        raise ZeroDivisionError

    ledger.enqueue(batch([1]), fail)
    assert await ledger.commit(batch([2])) == Receipt(1)
    assert answers == [Receipt(1)]


async def test_duration_falls_into_a_bucket_with_an_inclusive_bound(home: Home) -> None:
    ledger = await home.open()
    seconds = [0.0, *BUCKETS, 28800.1, None, 1.1]
    await ledger.commit(batch([], unkeyed=len(seconds), durations=seconds))
    histogram = durations(ledger)
    assert (histogram.system, histogram.outcome) == ("streampixel", "failure")
    assert histogram.counts == (2, 2, *[1] * 10, 1)
    assert histogram.total == pytest.approx(sum(BUCKETS) + 28800.1 + 1.1)


async def test_duration_of_a_duplicate_or_an_interruption_is_not_observed(home: Home) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1, 2], of=INTERRUPTION, durations=[5.0, 6.0]))
    assert ledger.totals().durations == []
    await ledger.commit(batch([3, 3], durations=[5.0, 6.0]))
    await ledger.commit(batch([4], of=LATE, durations=[7.0]))
    assert (sum(durations(ledger).counts), durations(ledger).total) == (2, 12.0)


async def test_histograms_add_up_across_commits_and_restarts(home: Home) -> None:
    ledger = await home.open()
    await asyncio.gather(*(ledger.commit(batch([n], durations=[n / 2])) for n in range(40)))
    await ledger.close()
    home.wall.advance(60)
    ledger = await home.open()
    await ledger.commit(batch([], unkeyed=1, durations=[0.25]))
    assert durations(ledger).counts == (4, 8, 20, 9, *[0] * 9)
    assert durations(ledger).total == sum(n / 2 for n in range(40)) + 0.25


async def test_last_session_of_a_series_is_its_exemplar(home: Home) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1, 2, 3], sessions=["a", "b", None]))
    first = Exemplar("b", home.wall.now)
    assert total(ledger).exemplar == first
    home.wall.advance(5)
    await ledger.commit(batch([1], sessions=["duplicate"]))
    await ledger.commit(batch([4]))
    assert total(ledger).exemplar == first
    # Both ids are in one shard of a shared ledger.
    await ledger.commit(batch([47, 1], sessions=["c", "duplicate"]))
    assert total(ledger).exemplar == Exemplar("c", home.wall.now)
    home.wall.advance(5)
    await ledger.commit(batch([6, 7], users=[USER] * 2, sessions=[None, "repeat"]))
    assert total(ledger).exemplar == Exemplar("repeat", home.wall.now)


async def test_known_series_start_at_zero_without_a_delay(home: Home) -> None:
    ledger = await home.open(zero=[FAILURE, LATE])
    await until(lambda: len(ledger.totals().series) == 2)
    assert total(ledger) == Total(FAILURE, 0)
    await ledger.commit(batch([1]))
    assert not total(ledger).delayed
    await ledger.close()
    # Without a series that is missing too.
    ledger = await home.open(zero_durations=[("streampixel", "failure")])
    await until(lambda: ledger.totals().durations)
    assert sum(durations(ledger).counts) == 0


async def test_new_series_is_delayed_until_scrapes_have_seen_it(home: Home) -> None:
    ledger = await home.open(first_seen_delay=75.0)
    await ledger.commit(batch([1, 6], users=[USER, USER]))
    assert (total(ledger).delayed, total(ledger).value) == (True, 2)
    # Repeats are exported with their ends.
    assert not total(ledger, FAILURE.of_repeats()).delayed
    home.monotonic.advance(74.9)
    # After a tick, a commit is followed by housekeeping, which ends delays.
    await ledger.commit(batch([2]))
    await ledger.commit(batch([3], of=OTHER))
    assert total(ledger).delayed
    home.monotonic.advance(1.2)
    await ledger.commit(batch([4], of=OTHER))
    await until(lambda: not total(ledger).delayed)
    assert total(ledger).value == 3
    assert total(ledger, OTHER).delayed
