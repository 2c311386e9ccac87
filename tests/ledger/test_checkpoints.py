"""Checkpoints that fail: they are counted and logged, and break the ledger before its WAL fills the disk."""

import resource
from collections.abc import Iterator

import apsw
import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger import checkpoints
from exporter.ledger.checkpoints import paused
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.batches import batch
from tests.ledger.faulty_disk import FaultyDisk, faulty_disk
from tests.ledger.home import SqliteHome, value


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyDisk]:
    """A disk on which each commit is followed by a checkpoint."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 1)
    with faulty_disk() as disk:
        yield disk


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    for level in ("error", "info"):
        monkeypatch.setattr(checkpoints.log, level, lambda event, **_: lines.append(event))
    return lines


async def commit(ledger: SqliteLedger, times: int) -> None:
    for _ in range(times):
        assert (await ledger.commit(batch([], unkeyed=1))).accepted == 1


async def test_failed_checkpoints_are_counted_and_logged_once(
    home: SqliteHome, disk: FaultyDisk, logged: list[str]
) -> None:
    failures: list[int] = []
    ledger = await home.open(on_failure=lambda: failures.append(1))
    for number in (1, 2):
        disk.error = apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        await commit(ledger, 3)
        assert len(failures) == 3 * number
        disk.error = None
        await commit(ledger, 2)
        assert len(failures) == 3 * number
        assert logged == ["checkpoint_failed", "checkpoint_recovered"] * number
    await ledger.close()


async def test_checkpoint_without_a_free_descriptor_is_made_after_a_later_commit(
    home: SqliteHome, disk: FaultyDisk, logged: list[str]
) -> None:
    """Fails when the error breaks the ledger: the commit before it was durable."""
    ledger = await home.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        await commit(ledger, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await commit(ledger, 1)
    await ledger.close()
    assert logged == ["checkpoint_failed", "checkpoint_recovered"]


async def test_full_disk_or_backup_is_no_failed_checkpoint(
    home: SqliteHome, disk: FaultyDisk, logged: list[str]
) -> None:
    """Fails when a checkpoint that wrote only the first pages is taken for another program."""
    failures: list[int] = []
    ledger = await home.open(on_failure=lambda: failures.append(1))
    disk.error, disk.spare = apsw.FullError("full"), 1
    await commit(ledger, 2)
    disk.error = None
    with paused(home.folder / "ledger.marker"):
        await commit(ledger, 2)
    await ledger.close()
    assert not failures
    assert not logged


async def test_failed_checkpoint_of_a_large_wal_breaks_the_ledger(
    home: SqliteHome, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the bound: the WAL then grows until the disk is full."""
    monkeypatch.setattr(checkpoints, "MOST_PAGES", 40)
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    disk.error = apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
    with pytest.raises(LedgerUnavailable, match="the ledger's disk failed: IOError"):
        await commit(ledger, 40)
    acknowledged = value(ledger)
    await ledger.close()
    assert acknowledged > 10
    assert broken == [1]
    disk.error = None
    # The commit before the failed checkpoint is durable, but got no receipt.
    ledger = await home.open()
    assert value(ledger) == acknowledged + 1
    await ledger.close()
