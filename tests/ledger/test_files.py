"""Files of the ledger that are deleted, moved or replaced while it is open."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.files import OpenFiles, Replaced
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome
from tests.ledger.shown import value
from tests.ledger.waiting import until

NAMES = ("ledger.db", "ledger.db-wal", "ledger.lock", "ledger.marker")


def swap(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("change", [Path.unlink, swap])
@pytest.mark.parametrize("name", NAMES)
async def test_a_deleted_or_replaced_file_prevents_receipts(
    home: SqliteHome, name: str, change: Callable[[Path], None]
) -> None:
    """Fails without the check after the write (`totals` shows 2), or when that file is not compared."""
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


async def test_a_deleted_folder_prevents_receipts_for_duplicates(home: SqliteHome) -> None:
    """Fails without a check where nothing is written."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    shutil.rmtree(home.folder)
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))


async def test_an_idle_ledger_notices_a_replaced_folder(home: SqliteHome) -> None:
    """Fails without a check in housekeeping."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    home.folder.rename(home.folder.with_name("moved"))
    shutil.copytree(home.folder.with_name("moved"), home.folder)
    home.monotonic.advance(1.1)
    await until(lambda: broken)
    assert "is another file now" in str(ledger.status().problem)


async def test_closing_after_the_folder_was_replaced_leaves_the_new_ledger_alone(
    home: SqliteHome,
) -> None:
    """Closing deletes the WAL by its name: another process lost what it had acknowledged.

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


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.touch()
    files = OpenFiles([path])
    files.check()
    shutil.rmtree(path.parent)
    path.parent.touch()
    with pytest.raises(Replaced, match=r"folder/file was moved or deleted: Not a directory"):
        files.check()
