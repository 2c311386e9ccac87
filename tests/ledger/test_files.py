"""One process at a time opens a ledger, and its files must stay in place."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.errors import LedgerError, LedgerInUse, LedgerUnavailable
from exporter.ledger.files import OpenFiles, Replaced
from exporter.ledger.recovery import LedgerSettings, open_ledger
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome, until, value


def swap(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ledger.db", Path.unlink),
        ("ledger.db-wal", swap),
        ("ledger.lock", Path.unlink),
        ("ledger.marker", swap),
    ],
)
async def test_deleted_or_replaced_file_prevents_receipts(
    home: SqliteHome, name: str, change: Callable[[Path], None]
) -> None:
    """Row 28. Fails without the check after the write (`totals` shows 2), and when a file is not compared."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    await ledger.commit(batch([1]))
    change(home.folder / name)
    with pytest.raises(LedgerUnavailable, match=f"the ledger failed: {home.folder / name} "):
        await ledger.commit(batch([2]))
    assert value(ledger) == 1
    await until(lambda: broken)
    await ledger.close()
    assert broken == [1]


def test_file_replaced_within_the_resolution_of_times_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when a folder is trusted a second after a change: another change may leave its time the same."""
    (tmp_path / "file").touch()
    stat, changed = os.stat, tmp_path.stat()
    files = OpenFiles(tmp_path, ["file"], lambda: changed.st_ctime + 1)

    def coarse(path: object, **options: Any) -> os.stat_result:
        return changed if path == str(tmp_path) else stat(path, **options)

    monkeypatch.setattr(os, "stat", coarse)
    files.check_changes()
    swap(tmp_path / "file")
    with pytest.raises(Replaced, match="is another file now"):
        files.check_changes()


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
    broken: list[int] = []
    first = await home.open(on_broken=lambda: broken.append(1))
    await first.commit(batch([1]))
    home.folder.rename(home.folder.with_name("moved"))
    second = await home.open()
    await second.commit(batch([2]))
    await first.close()
    assert broken == [1]
    assert (home.folder / "ledger.db-wal").stat().st_size
    assert (await second.commit(batch([3]))).accepted == 1


async def test_open_ledger_cannot_be_opened_again(home: SqliteHome) -> None:
    """Row 7. Fails without the lock file: SQLite's own lock has another message."""
    ledger = await home.open()
    with pytest.raises(LedgerInUse, match="in use by another process: two exporters need two data"):
        open_ledger(home.settings())
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()
    open_ledger(home.settings()).close()


async def test_sqlite_itself_cannot_read_an_open_ledger(home: SqliteHome) -> None:
    """Fails without the exclusive locking mode."""
    await home.open()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    with pytest.raises(apsw.BusyError):
        connection.execute("SELECT * FROM series").fetchall()
    connection.close()


def test_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"data_dir .*/file is not a directory"):
        open_ledger(LedgerSettings(tmp_path / "file"))
    with pytest.raises(LedgerError, match=r"data_dir .*/file/below: Not a directory"):
        open_ledger(LedgerSettings(tmp_path / "file" / "below"))
