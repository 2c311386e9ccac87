"""What is particular to the embedded ledger: one writer, what it shows when, and how it fails."""

import asyncio
import itertools
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger import sqlite
from exporter.ledger.sqlite import SqliteLedger
from exporter.ledger.store import Store
from tests.ledger.batches import OTHER, batch
from tests.ledger.home import SqliteHome
from tests.ledger.shown import value
from tests.ledger.waiting import until

WRITE = Store.write


class Disk:
    """Stands in for `Store.write`; raises the next of `errors` instead of writing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[Exception] = []
        self.writes = 0

        def write(store: Store, *args: Any) -> None:
            self.write(store, *args)

        monkeypatch.setattr(Store, "write", write)

    def write(self, store: Store, *args: Any) -> None:
        self.writes += 1
        if self.errors:
            raise self.errors.pop(0)
        WRITE(store, *args)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_totals_show_nothing_until_the_write_has_returned(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant it fails on: publish before commit."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    seen: list[int] = []

    def write(store: Store, *args: Any) -> None:
        seen.append(value(ledger))
        WRITE(store, *args)
        seen.append(value(ledger))

    monkeypatch.setattr(Store, "write", write)
    await ledger.commit(batch([2, 3]))
    assert seen == [1, 1]
    assert value(ledger) == 3
    await ledger.close()


async def test_batches_that_arrive_during_a_write_share_the_next(
    home: SqliteHome, disk: Disk
) -> None:
    ledger = await home.open()
    before = disk.writes
    await asyncio.gather(*(ledger.commit(batch([number])) for number in range(500)))
    assert disk.writes - before < 250
    await ledger.close()


async def test_a_group_takes_no_further_batch_once_it_is_large(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "GROUP_EVENTS", 10)
    ledger = await home.open()
    await asyncio.gather(*(ledger.commit(batch([n, n + 1000])) for n in range(100)))
    assert disk.writes >= 20
    await ledger.close()


async def test_a_group_never_takes_more_than_the_window_can_hold(home: SqliteHome) -> None:
    """Five batches of 10 went into one group that a window of 30 had no room for: written, and then
    the writer failed. Mutant it fails on: groups bounded by GROUP_EVENTS only."""
    ledger = await SqliteLedger.open(home.plan(ids=20, slack=10))
    receipts = await asyncio.gather(
        *(ledger.commit(batch(range(start, start + 10))) for start in range(0, 1000, 10))
    )
    assert sum(receipt.accepted for receipt in receipts) == 1000
    assert ledger.status().problem is None
    assert (await ledger.commit(batch(range(985, 1000)))).duplicates == 15
    with pytest.raises(ValueError, match="16 events in a batch are more than the window can hold"):
        await ledger.commit(batch(range(16)))
    await ledger.close()


async def test_a_broken_ledger_leaves_its_wal_for_the_next_start(
    home: SqliteHome, disk: Disk
) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    disk.errors.append(apsw.IOError("disk I/O error"))
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([2]))
    wal = home.folder / "ledger.db-wal"
    before = wal.read_bytes()
    await ledger.close()
    assert wal.read_bytes() == before
    ledger = await home.open()
    assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([1, 0])
    await ledger.close()


async def test_duplicates_only_are_answered_without_a_write(home: SqliteHome, disk: Disk) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1, 2]))
    before = disk.writes
    assert (await ledger.commit(batch([1, 2]))).duplicates == 2
    assert disk.writes == before
    await ledger.close()


async def test_a_write_refused_for_space_leaves_no_trace_and_can_be_repeated(
    home: SqliteHome, disk: Disk
) -> None:
    """Mutants it fails on: FullError not caught, expired ids dropped before the write, the window added
    to before the write."""
    failures: list[int] = []
    ledger = await home.open(ids=10, on_failure=lambda: failures.append(1))
    for number in range(10):
        await ledger.commit(batch([number]))
    before = ledger.totals()
    disk.errors.append(apsw.FullError("full"))
    with pytest.raises(LedgerUnavailable, match="nothing was counted") as refusal:
        await ledger.commit(batch([10, 11, 12], durations=[1.0, 2.0, 3.0]))
    assert (refusal.value.retry_after, failures) == (5, [1])
    assert ledger.status().problem == f"the disk of {home.folder} is full"
    assert ledger.totals() == before
    assert ledger.status().window_ids == 10
    assert (await ledger.commit(batch(range(10)))).duplicates == 10
    assert (await ledger.commit(batch([10, 11, 12]))).accepted == 3
    assert ledger.status().problem is None
    assert (await ledger.commit(batch([3]))).duplicates == 1
    await ledger.close()


async def test_all_batches_of_a_failed_group_are_refused(home: SqliteHome, disk: Disk) -> None:
    ledger = await home.open()
    disk.errors += [apsw.FullError("full")] * 100
    answers = await asyncio.gather(
        *(ledger.commit(batch([n])) for n in range(50)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    disk.errors.clear()
    assert (await ledger.commit(batch(range(50)))).accepted == 50
    await ledger.close()


FAULTS = [apsw.IOError("disk I/O error"), apsw.CorruptError("malformed"), ValueError("a defect")]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
async def test_any_other_failure_of_a_write_breaks_the_ledger_for_good(
    home: SqliteHome, disk: Disk, error: Exception
) -> None:
    """Mutant it fails on: an I/O error handled like a full disk."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    await ledger.commit(batch([1]))
    disk.errors.append(error)
    answers = await asyncio.gather(
        *(ledger.commit(batch([n])) for n in range(2, 20)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    await until(lambda: broken)
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    assert str(error) in str(ledger.status().problem)
    assert value(ledger) == 1
    await ledger.close()
    assert broken == [1]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
async def test_a_broken_ledger_is_not_ready_before_its_first_log_line(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A log call that raised left a ledger that was ready and answered nobody. Mutants it fails on: the
    problem set, or `on_broken` called, after the log line."""
    broken = threading.Event()
    ledger = await home.open(on_broken=broken.set)
    seen: list[tuple[bool, bool]] = []

    def log_line(_event: str, **_fields: object) -> None:
        seen.append((ledger.status().problem is not None, broken.wait(10)))

    monkeypatch.setattr(sqlite.log, "error", log_line)
    disk.errors.append(error)
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    await ledger.close()
    assert seen
    assert set(seen) == {(True, True)}


async def test_a_full_disk_is_a_problem_before_its_first_log_line(
    home: SqliteHome, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants it fails on: the problem set after the line that tells it, or taken back after the line that
    tells the recovery."""
    ledger = await home.open()
    seen: list[tuple[str, str | None]] = []
    for level in ("error", "info"):
        monkeypatch.setattr(
            sqlite.log, level, lambda event, **_: seen.append((event, ledger.status().problem))
        )
    disk.errors.append(apsw.FullError("full"))
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    await ledger.commit(batch([1]))
    await ledger.close()
    problem = f"the disk of {home.folder} is full"
    assert seen == [("ledger_unavailable", problem), ("ledger_recovered", None)]


@pytest.mark.parametrize("where", ["Group", "msgspec"])
async def test_a_defect_in_the_writer_leaves_nobody_waiting(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An error outside the write killed the thread, and its senders waited for ever. Mutant it fails on:
    no guard around the group."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    monkeypatch.setattr(sqlite, where, None)
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(ledger.commit(batch([1])), 60)
    await until(lambda: broken)
    await ledger.close()


async def test_a_defect_in_housekeeping_breaks_the_ledger_visibly(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))

    def fail(_: Store) -> int:
        raise OSError("no such folder")

    monkeypatch.setattr(Store, "size", fail)
    home.monotonic.advance(1.1)
    await ledger.commit(batch([]))
    await until(lambda: broken)
    assert ledger.status().problem == "the ledger failed: OSError: no such folder"
    await ledger.close()


async def test_zero_series_refused_for_space_at_the_start_come_later(
    home: SqliteHome, disk: Disk
) -> None:
    disk.errors.append(apsw.FullError("full"))
    ledger = await home.open(zero=[OTHER])
    assert ledger.totals().series == []
    assert ledger.status().problem
    home.monotonic.advance(1.1)
    await ledger.commit(batch([]))
    await until(lambda: ledger.totals().series)
    assert not ledger.totals().series[0].delayed
    assert ledger.status().problem is None
    await ledger.close()


async def test_each_transaction_is_timed(home: SqliteHome) -> None:
    seconds: list[float] = []
    ledger = await home.open(on_commit=seconds.append)
    for number in range(5):
        await ledger.commit(batch([number]))
    assert len(seconds) == 5
    assert min(seconds) > 0
    await ledger.close()


async def test_the_wal_stays_small_under_load(home: SqliteHome) -> None:
    """Row 25, in small: what was moved into the database is written over."""
    ledger = await home.open(ids=2000)
    wal = home.folder / "ledger.db-wal"
    largest = 0
    for start in itertools.islice(itertools.count(0, 500), 300):
        await ledger.commit(batch(range(start, start + 500)))
        largest = max(largest, wal.stat().st_size)
    assert largest < 6 * 1024**2
    await ledger.close()
    assert not wal.exists()
    assert (home.folder / "ledger.db").stat().st_size < 2 * 1024**2


def rows(folder: Path) -> list[int]:
    """How many ids each row of the window has on disk, of a ledger that is closed."""
    connection = apsw.Connection(str(folder / "ledger.db"))
    found = [row[0] // 16 for row in connection.execute("SELECT length(keys) FROM ids")]
    connection.close()
    return found


async def test_ids_that_leave_the_window_leave_the_disk_in_the_same_transaction(
    home: SqliteHome,
) -> None:
    """Mutant it fails on: one commit fewer deleted than expired."""
    ledger = await home.open(ids=50)
    for number in range(200):
        await ledger.commit(batch([number]))
    await ledger.close()
    assert rows(home.folder) == [1] * 50


async def test_small_commits_are_kept_in_few_rows_and_every_id_is_still_known(
    home: SqliteHome,
) -> None:
    """Mutants it fails on: no merging; the merged ids without their fingerprints or in another order."""
    ledger = await home.open(ids=100_000)
    events = [(number, number % 7) for number in range(1000)]
    for event in events[:500]:
        await ledger.commit(batch([event]))
    await ledger.close()
    assert sorted(rows(home.folder))[-3:] == [128, 128, 128]
    assert len(rows(home.folder)) == 3 + 500 - 3 * 128
    ledger = await home.open(ids=100_000)
    for event in events[500:]:
        await ledger.commit(batch([event]))
    receipt = await ledger.commit(batch(events))
    assert (receipt.duplicates, ledger.status().window_ids) == (1000, 1000)
    await ledger.close()
    ledger = await home.open(ids=100_000)
    receipt = await ledger.commit(batch([*events, (1000, 0), (3, 5)]))
    assert (receipt.duplicates, receipt.accepted, receipt.conflicts) == (1000, 1, 1)
    await ledger.close()


async def test_commits_far_apart_are_not_merged_so_that_they_expire_each_at_its_time(
    home: SqliteHome,
) -> None:
    ledger = await home.open(ids=100_000, age=2400.0)
    for number in range(300):
        home.monotonic.advance(0.9)
        await ledger.commit(batch([number]))
    await ledger.close()
    assert rows(home.folder) == [1] * 300


async def test_merged_commits_expire_with_the_latest_of_them(home: SqliteHome) -> None:
    """Mutant it fails on: a run of the age of its first commit."""
    ledger = await home.open(ids=100_000, age=2400.0)
    for number in range(129):
        home.monotonic.advance(0.5)
        await ledger.commit(batch([number]))
    home.monotonic.advance(2400 - 10)
    await ledger.commit(batch([], unkeyed=1))
    assert (await ledger.commit(batch([0]))).duplicates == 1
    home.monotonic.advance(11)
    await ledger.commit(batch([], unkeyed=1))
    assert (await ledger.commit(batch([0, 127, 128]))).accepted == 3
    await ledger.close()


async def test_a_run_that_is_expiring_is_not_merged(home: SqliteHome) -> None:
    """The same transaction lets go of its first commits. Mutant it fails on: merged all the same."""
    ledger = await home.open(ids=100_000, age=100.0)
    for number in range(128):
        await ledger.commit(batch([number]))
    home.monotonic.advance(101)
    for number in range(200, 240):
        assert (await ledger.commit(batch([number]))).accepted == 1
    assert (ledger.status().problem, ledger.status().window_ids) == (None, 40)
    assert ledger.status().window_expired == {"age": 128, "ids": 0}
    await ledger.close()
    assert rows(home.folder) == [1] * 40
