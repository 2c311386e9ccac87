"""One process at a time opens a ledger, and its files must stay in place."""

import errno
import os
import shutil
from pathlib import Path

import apsw
import pytest

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.files import Claim
from exporter.ledger.recovery import LedgerSettings, open_ledger
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome, value


async def test_commit_to_a_deleted_file_is_not_shown(home: SqliteHome) -> None:
    """Fails when the files are compared after the totals are published."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    (home.folder / "ledger.db").unlink()
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db "):
        await ledger.commit(batch([2]))
    assert value(ledger) == 1


async def test_deleted_folder_prevents_receipts_for_duplicates(home: SqliteHome) -> None:
    """Fails without a check when nothing is written."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    shutil.rmtree(home.folder)
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))


async def test_close_after_the_folder_was_replaced_leaves_the_new_ledger_alone(
    home: SqliteHome,
) -> None:
    """Closing deletes the WAL by its name, which lost acknowledged events of another process.

    Fails without the check before the database is closed.
    """
    first = await home.open()
    await first.commit(batch([1]))
    home.folder.rename(home.folder.with_name("moved"))
    second = await home.open()
    await second.commit(batch([2]))
    await first.close()
    assert home.calls["broken"] == 1
    assert (home.folder / "ledger.db-wal").stat().st_size
    assert (await second.commit(batch([3]))).accepted == 1


async def test_sqlite_itself_cannot_read_an_open_ledger(home: SqliteHome) -> None:
    """Fails without the exclusive locking mode."""
    await home.open()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    with pytest.raises(apsw.BusyError):
        connection.execute("SELECT * FROM series").fetchall()
    connection.close()


def test_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"data_dir .*/file: File exists"):
        open_ledger(LedgerSettings(tmp_path / "file"))
    with pytest.raises(LedgerError, match=r"data_dir .*/file/below: Not a directory"):
        open_ledger(LedgerSettings(tmp_path / "file" / "below"))


@pytest.mark.parametrize(("error", "space"), [(errno.ENOSPC, False), (errno.EINVAL, True)])
def test_only_a_full_disk_has_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, space: bool
) -> None:
    """Fails when a file system that cannot reserve space counts as full: the ledger would not recover.

    Another user must not be able to lock the file: no exporter would start.
    """
    claim, path = Claim(tmp_path), tmp_path / "ledger.lock"
    assert claim.has_space()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (0, 0o600)

    def refuse(*_: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert claim.has_space() is space
    claim.close()
