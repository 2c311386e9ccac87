"""Checkpoints that fail."""

import apsw
import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger import writer
from exporter.ledger.files import paused
from tests.ledger.batches import batch
from tests.ledger.faulty_disk import faulty_disk
from tests.ledger.home import SqliteHome, value


async def test_only_a_failed_checkpoint_breaks_the_ledger(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the ledger goes on after an I/O error, and when it ends for a full disk or a backup."""
    monkeypatch.setattr(writer, "CHECKPOINT_PAGES", 1)
    with faulty_disk() as disk:
        ledger = await home.open()
        disk.error, disk.spare = apsw.FullError("full"), 1
        await ledger.commit(batch([1]))
        disk.error = apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        with paused(home.folder / "ledger.marker"):
            await ledger.commit(batch([2]))
        with pytest.raises(LedgerUnavailable, match="the ledger's disk failed: IOError"):
            await ledger.commit(batch([3]))
        await ledger.close()
        assert (value(ledger), home.calls["broken"]) == (2, 1)
        disk.error = None
        # The commit before the failed checkpoint is durable, but got no receipt.
        ledger = await home.open()
        assert (await ledger.commit(batch([1, 2, 3]))).duplicates == 3
        await ledger.close()
