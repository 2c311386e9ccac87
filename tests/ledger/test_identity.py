"""Files of the ledger that are deleted, moved or replaced while it is open."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.identity import OpenFiles, Replaced
from exporter.ledger.recovery import open_ledger
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
async def test_no_receipt_is_given_after_a_file_was_deleted_or_replaced(
    home: SqliteHome, name: str, change: Callable[[Path], None]
) -> None:
    """Mutants it fails on: no check after the write (`totals` shows 2), or that file not among those
    compared."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    await ledger.commit(batch([1]))
    change(home.folder / name)
    with pytest.raises(LedgerUnavailable, match=f"Replaced: {home.folder / name} "):
        await ledger.commit(batch([2]))
    assert value(ledger) == 1
    await until(lambda: broken)
    await ledger.close()
    assert broken == [1]


async def test_duplicates_get_no_receipt_either(home: SqliteHome) -> None:
    """Mutant it fails on: no check where nothing is written."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    shutil.rmtree(home.folder)
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    await ledger.close()


async def test_an_idle_ledger_notices_a_replaced_folder(home: SqliteHome) -> None:
    """Mutant it fails on: no check in housekeeping."""
    broken: list[int] = []
    ledger = await home.open(on_broken=lambda: broken.append(1))
    home.folder.rename(home.folder.with_name("moved"))
    shutil.copytree(home.folder.with_name("moved"), home.folder)
    home.monotonic.advance(1.1)
    await until(lambda: broken)
    assert "is another file now" in str(ledger.status().problem)
    await ledger.close()


async def test_closing_after_the_folder_was_replaced_leaves_the_new_ledger_alone(
    home: SqliteHome,
) -> None:
    """A store that is closed deletes its WAL by name, which lost what another process had acknowledged.
    Mutant it fails on: no check before the store is closed."""
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
    await second.close()


async def test_what_was_acknowledged_before_a_lock_file_was_deleted_is_kept(
    home: SqliteHome,
) -> None:
    ledger = await home.open()
    await ledger.commit(batch(range(100)))
    (home.folder / "ledger.lock").unlink()
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([100]))
    await ledger.close()
    ledger = await home.open()
    receipt = await ledger.commit(batch(range(101)))
    # The last was written, and not acknowledged.
    assert (receipt.duplicates, value(ledger), ledger.status().damaged) == (101, 101, None)
    await ledger.close()


def test_an_untouched_ledger_has_all_its_files(home: SqliteHome) -> None:
    for _ in range(2):
        opened = open_ledger(home.plan())
        opened.files.check()
        assert all((home.folder / name).exists() for name in NAMES)
        opened.close()


def test_a_file_behind_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.touch()
    files = OpenFiles([path])
    files.check()
    shutil.rmtree(path.parent)
    path.parent.touch()
    with pytest.raises(Replaced, match=r"folder/file was moved or deleted: Not a directory"):
        files.check()
