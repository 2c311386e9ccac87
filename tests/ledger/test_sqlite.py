"""The ledger in an SQLite file: group commits, and a disk that is full, fails or hangs."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger import queued, sqlite
from exporter.ledger.store import Store
from tests.ledger.batches import FAILURE, OTHER, batch
from tests.ledger.home import SqliteHome, logged, total, until, value


class Disk:
    """Replaces `Store.write`: raises the next of `errors`, or writes and calls `during` before and after.

    `writes` counts the calls.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[Exception] = []
        self.writes = 0
        self.during: Callable[[], object] = lambda: None
        real = Store.write

        def write(store: Store, *args: Any) -> None:
            self.writes += 1
            if self.errors:
                raise self.errors.pop(0)
            self.during()
            real(store, *args)
            self.during()

        monkeypatch.setattr(Store, "write", write)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


# --- commits -----------------------------------------------------------------------------------


async def test_group_takes_no_further_batch_once_it_is_large(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "GROUP_EVENTS", 10)
    ledger = await home.open()
    await asyncio.gather(*(ledger.commit(batch([n, n + 1000])) for n in range(100)))
    assert disk.writes >= 20


async def test_duplicates_are_answered_without_a_write(home: SqliteHome, disk: Disk) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1, 2]))
    before = disk.writes
    assert (await ledger.commit(batch([1, 2]))).duplicates == 2
    assert disk.writes == before


# --- restarts ----------------------------------------------------------------------------------


async def test_restart_starts_the_delay_of_a_delayed_series_again(home: SqliteHome) -> None:
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


async def test_longer_delay_does_not_hide_a_shown_total(home: SqliteHome) -> None:
    """Fails when the delay is computed from the present setting: 3000 → 0 → 3000 is a counter reset."""
    ledger = await home.open(first_seen_delay=5.0)
    await ledger.commit(batch([1]))
    home.monotonic.advance(6)
    await ledger.commit(batch([2], of=OTHER))
    await until(lambda: not total(ledger).delayed)
    await ledger.close()
    ledger = await home.open(first_seen_delay=75.0)
    assert (total(ledger).delayed, total(ledger, OTHER).delayed) == (False, True)


# --- a full disk -------------------------------------------------------------------------------


async def test_write_refused_for_space_changes_nothing_and_can_be_repeated(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 26: the state changes before the log line.

    Fails when FullError is not caught, when ids expire or enter the window before the write, and when users
    are remembered before it: the retry was then counted as a repeat.
    """
    ledger = await home.open(ids=10)
    lines = logged(monkeypatch, lambda: ledger.status().problem)
    for number in range(10):
        await ledger.commit(batch([number]))
    before = ledger.totals()
    disk.errors += [apsw.FullError("full")] * 2
    ends = batch([10, 11, 12], durations=[1.0, 2.0, 3.0], users=[b"one user", None, None])
    for number in (1, 2):
        with pytest.raises(LedgerUnavailable, match="is full; send the events again") as refusal:
            await ledger.commit(ends)
        assert (refusal.value.retry_after, home.calls["failure"]) == (5, number)
    problem = f"the disk of {home.folder} is full"
    assert ledger.status().problem == problem
    assert ledger.totals() == before
    assert ledger.status().window_ids == 10
    assert (await ledger.commit(batch(range(10)))).duplicates == 10
    assert (await ledger.commit(ends)).accepted == 3
    assert value(ledger, FAILURE.of_repeats()) == 0
    assert ledger.status().problem is None
    assert (await ledger.commit(batch([3]))).duplicates == 1
    assert lines == [("ledger_unavailable", problem), ("ledger_recovered", None)]


# --- a broken ledger ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [apsw.IOError("disk I/O error"), ValueError("a defect")], ids=repr
)
async def test_other_failure_of_a_write_breaks_the_ledger_for_good(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Row 26: after a log call that raised, the ledger was ready but answered no request.

    Fails when an I/O error is handled like a full disk, and when the log line comes before the state.
    """
    broken = threading.Event()
    ledger = await home.open(on_broken=broken.set)
    await ledger.commit(batch([1]))
    lines = logged(monkeypatch, lambda: (bool(ledger.status().problem), broken.wait(10)))
    disk.errors.append(error)
    answers = await asyncio.gather(
        *(ledger.commit(batch([n])) for n in range(2, 20)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    assert str(error) in str(ledger.status().problem)
    assert value(ledger) == 1
    wal = home.folder / "ledger.db-wal"
    before = wal.read_bytes()
    await ledger.close()
    assert lines == [("ledger_broken", (True, True))]
    assert wal.read_bytes() == before, "the next start reads the WAL"
    ledger = await home.open()
    assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([1, 0])


# --- a write that hangs --------------------------------------------------------------------------


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write hangs after 1.5 s: longer than a write takes on a busy machine."""
    monkeypatch.setattr(sqlite, "LONGEST_WRITE", 1.5)


@pytest.mark.usefixtures("short_limit")
async def test_batches_during_a_hang_are_refused_and_count_once(
    home: SqliteHome, disk: Disk
) -> None:
    """Row 30. Fails when nothing watches the writer, when new batches are taken during the hang, and when
    waiting batches are written after it (6 events without a key)."""
    writing, free = threading.Event(), threading.Event()
    ledger = await home.open()
    await ledger.commit(batch([1]))
    disk.during = lambda: writing.set() or free.wait(60)
    first = asyncio.create_task(ledger.commit(batch([2], unkeyed=1)))
    # The writer has the first batch: the next ones wait behind it.
    await until(writing.is_set)
    behind = [asyncio.create_task(ledger.commit(batch([3], unkeyed=1))) for _ in range(4)]
    cancelled = asyncio.create_task(ledger.commit(batch([4])))
    deferrable = asyncio.create_task(ledger.commit(batch([5], deferrable=True)))
    await asyncio.sleep(0)
    cancelled.cancel()
    answers = await asyncio.gather(first, *behind, deferrable, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    assert "an event with an id is counted once" in str(answers[0])
    assert f"the disk of {home.folder} hangs" in str(ledger.status().problem)
    assert ledger.status().queue_events == 0
    with pytest.raises(LedgerUnavailable, match="hangs") as refusal:
        await ledger.commit(batch([2]))
    assert refusal.value.retry_after == 5
    assert value(ledger) == 1
    free.set()
    await until(lambda: ledger.status().problem is None)
    receipt = await ledger.commit(batch([2, 3, 4, 5]))
    # Only id 2 was being written.
    assert (receipt.accepted, receipt.duplicates) == (3, 1)
    assert value(ledger) == 6
    assert ledger.status().queue_events == 0
    assert not home.calls["broken"]


@pytest.mark.usefixtures("short_limit")
async def test_housekeeping_that_hangs_is_noticed_without_events(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when only commits are timed."""
    ledger = await home.open()
    free = threading.Event()
    monkeypatch.setattr(Store, "size", lambda _: free.wait(60) and 1)
    home.monotonic.advance(1.1)
    await until(lambda: ledger.status().problem)
    free.set()
    await until(lambda: ledger.status().problem is None)


@pytest.mark.usefixtures("short_limit")
async def test_close_gives_up_when_the_last_checkpoint_hangs(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the end of the writer is not timed, and when `on_broken` runs after `close`."""
    ledger = await home.open()
    free = threading.Event()
    monkeypatch.setattr(Store, "checkpoint", lambda _: free.wait(20))
    await ledger.close()
    assert home.calls["broken"] == 1
    assert "hangs" in str(ledger.status().problem)
    free.set()
