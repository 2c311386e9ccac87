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
from tests.ledger.home import SqliteHome, logged, value


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyDisk]:
    """A disk on which each commit is followed by a checkpoint."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 1)
    with faulty_disk() as disk:
        yield disk


async def commit(ledger: SqliteLedger, times: int) -> None:
    for _ in range(times):
        assert (await ledger.commit(batch([], unkeyed=1))).accepted == 1


async def test_failed_checkpoints_are_counted_and_logged_once(
    home: SqliteHome, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await home.open()
    lines = logged(monkeypatch, lambda: home.calls["failure"])
    for number in (1, 2):
        disk.error = apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        await commit(ledger, 3)
        disk.error = None
        await commit(ledger, 2)
        assert home.calls["failure"] == 3 * number
    failed, recovered = "checkpoint_failed", "checkpoint_recovered"
    assert lines == [(failed, 1), (recovered, 3), (failed, 4), (recovered, 6)]
    await ledger.close()


async def test_checkpoint_without_a_free_descriptor_is_made_after_a_later_commit(
    home: SqliteHome, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the error breaks the ledger: the commit before it was durable."""
    ledger = await home.open()
    lines = logged(monkeypatch, lambda: None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        await commit(ledger, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await commit(ledger, 1)
    await ledger.close()
    assert lines == [("checkpoint_failed", None), ("checkpoint_recovered", None)]


async def test_full_disk_or_backup_is_no_failed_checkpoint(
    home: SqliteHome, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when a checkpoint that wrote only the first pages is taken for another program."""
    ledger = await home.open()
    lines = logged(monkeypatch, lambda: None)
    disk.error, disk.spare = apsw.FullError("full"), 1
    await commit(ledger, 2)
    disk.error = None
    with paused(home.folder / "ledger.marker"):
        await commit(ledger, 2)
    await ledger.close()
    assert not home.calls
    assert not lines


async def test_failed_checkpoint_of_a_large_wal_breaks_the_ledger(
    home: SqliteHome, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the bound: the WAL then grows until the disk is full."""
    monkeypatch.setattr(checkpoints, "MOST_PAGES", 40)
    ledger = await home.open()
    disk.error = apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
    with pytest.raises(LedgerUnavailable, match="the ledger's disk failed: IOError"):
        await commit(ledger, 40)
    acknowledged = value(ledger)
    await ledger.close()
    assert acknowledged > 10
    assert home.calls["broken"] == 1
    disk.error = None
    # The commit before the failed checkpoint is durable, but got no receipt.
    ledger = await home.open()
    assert value(ledger) == acknowledged + 1
    await ledger.close()
