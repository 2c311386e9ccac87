"""Backups of a ledger that counts events at the same time: complete, of one instant, and without its id."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import LedgerError
from exporter.ledger import backup
from exporter.ledger.backup import Backup, back_up
from exporter.ledger.files import paused
from exporter.ledger.sqlite import SqliteLedger
from tests.disk import remount
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome, crash, value

PAGES = 20
Step = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint becomes due after a few commits."""
    monkeypatch.setattr("exporter.ledger.writer.CHECKPOINT_PAGES", PAGES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


class Numbers:
    """Commits to a ledger, each with the next id."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self.ledger = ledger
        self.count = 0

    async def commit(self, times: int = 1) -> None:
        for _ in range(times):
            await self.ledger.commit(batch([self.count]))
            self.count += 1


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def restored(copy: Backup) -> tuple[int, int, str]:
    """The count of a restored backup, how many of ids 0 to 999 are duplicates, and the ledger's id."""
    folder = Path(tempfile.mkdtemp(dir=copy.file.parent))
    shutil.copy(copy.file, folder / "ledger.db")
    first = await SqliteHome(folder).open(ids=10_000)
    id_ = first.totals().ledger
    crash(folder, folder / "crashed")
    ledger = await SqliteHome(folder / "crashed").open(ids=10_000)
    count = value(ledger)
    receipt = await ledger.commit(batch(range(1000)))
    assert ledger.status().damaged is None
    assert ledger.totals().ledger == id_
    return count, receipt.duplicates, id_


def halved(during: Callable[[Path], None]) -> Callable[[object, Path], None]:
    """`shutil.copyfile` that calls `during` with the source when half of the file is copied."""

    def copyfile(source: object, target: Path) -> None:
        path = Path(str(source))
        with path.open("rb") as reading, target.open("wb") as writing:
            writing.write(reading.read(path.stat().st_size // 2))
            writing.flush()
            during(path)
            shutil.copyfileobj(reading, writing)

    return copyfile


def interrupted(monkeypatch: pytest.MonkeyPatch, *steps: Step | None) -> list[str]:
    """Returns a list to which backups add the names of the files that they copy.

    In the middle of each of the first copies, the next of `steps` is awaited on this event loop.
    """
    loop, copies, remaining = asyncio.get_running_loop(), list[str](), list(steps)

    def during(path: Path) -> None:
        copies.append(path.name)
        if remaining and (step := remaining.pop(0)):
            asyncio.run_coroutine_threadsafe(step(), loop).result()

    monkeypatch.setattr("exporter.ledger.backup.copyfile", halved(during))
    return copies


def modified(path: Path) -> int:
    return path.stat().st_mtime_ns


async def test_backup_of_an_open_ledger_is_complete_without_a_checkpoint_meanwhile(
    home: SqliteHome, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the lock in the checkpoint hook: the file then changes during each of the five copies.

    Fails when two restored copies have the same id, and when an id is not durable before it is shown.
    """
    numbers = Numbers(await home.open())
    await numbers.commit(50)
    copies = interrupted(monkeypatch, lambda: numbers.commit(2 * PAGES))
    copy = await asyncio.to_thread(back_up, home.folder, folder)
    assert copies == ["ledger.db", "ledger.db-wal"]
    assert files(folder) == [copy.file.name]
    count, duplicates, name = await restored(copy)
    assert count == duplicates == 50 + 2 * PAGES
    assert copy.ledger == numbers.ledger.totals().ledger
    _, _, again = await restored(copy)
    assert len({copy.ledger, name, again, ""}) == 4
    before = modified(home.folder / "ledger.db")
    await numbers.commit()
    # The checkpoint that was due takes place after the first commit.
    assert modified(home.folder / "ledger.db") > before


async def test_backup_never_replaces_another_file(home: SqliteHome, folder: Path) -> None:
    """Fails without the ledger's id in the name, and without the comparison: the first file is lost."""
    await (await home.open()).close()
    other = SqliteHome(home.folder.with_name("other"))
    await (await other.open()).close()
    # Some are made in the same second.
    data_dirs = (home.folder, other.folder) * 100
    copies = []
    with pytest.raises(LedgerError, match=r"\.db exists already; no backup was written"):
        copies.extend(back_up(data_dir, folder) for data_dir in data_dirs)
    assert len({copy.ledger for copy in copies}) == 2
    assert sorted(files(folder)) == sorted(copy.file.name for copy in copies)


async def test_wal_that_begins_anew_while_it_is_copied_is_copied_again(
    home: SqliteHome, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the comparison of the headers: the copy is damaged, or lacks commits."""
    numbers = Numbers(await home.open())
    database = home.folder / "ledger.db"
    # Up to a checkpoint: the next commit overwrites the WAL from its beginning.
    before = modified(database)
    while modified(database) == before:
        await numbers.commit()
    copies = interrupted(monkeypatch, None, lambda: numbers.commit(3))
    copy = await asyncio.to_thread(back_up, home.folder, folder)
    assert copies == ["ledger.db", "ledger.db-wal"] * 2
    count = numbers.count
    assert (await restored(copy))[:2] == (count, count)


async def test_backup_that_lasts_too_long_no_longer_prevents_checkpoints(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the limit: the WAL then fills the disk of the ledger."""
    monkeypatch.setattr("exporter.ledger.writer.MOST_PAGES", 4 * PAGES)
    numbers = Numbers(await home.open())
    database = home.folder / "ledger.db"
    before = modified(database)
    with paused(home.folder / "ledger.marker"):
        await numbers.commit(PAGES)
        assert modified(database) == before
        await numbers.commit(3 * PAGES)
        assert modified(database) > before


async def test_backup_does_not_fill_the_disk_of_the_ledger(volume: Path) -> None:
    """Fails without the comparison with the free space. The WAL then has all of it, so that no checkpoint can
    end the refusals after the backup, nor after a restart."""
    numbers = Numbers(await SqliteHome(volume / "data").open())
    with paused(volume / "data" / "ledger.marker"):
        await numbers.commit(800)


async def test_database_that_changes_at_each_copy_is_an_error(
    home: SqliteHome, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Numbers(await home.open())
    await numbers.commit()
    monkeypatch.setattr("exporter.ledger.backup.copyfile", halved(Path.touch))
    with pytest.raises(LedgerError, match=r"ledger\.db changed 5 times while it was copied"):
        await asyncio.to_thread(back_up, home.folder, folder)
    assert files(folder) == []


async def test_copy_without_the_wal_is_no_backup(
    home: SqliteHome, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the comparison with the commit marker."""
    numbers = Numbers(await home.open())
    await numbers.commit(3)
    monkeypatch.setattr(backup, "_header", lambda _: b"")
    with pytest.raises(LedgerError, match=r"it ends at commit \d, but \d was acknowledged; no"):
        await asyncio.to_thread(back_up, home.folder, folder)
    assert files(folder) == []


async def test_backup_changes_nothing_in_the_folder_of_the_ledger(
    home: SqliteHome, folder: Path, volume: Path
) -> None:
    """The folder may be a snapshot that is mounted read-only."""
    numbers = Numbers(await home.open())
    await numbers.commit(5)
    await numbers.ledger.close()
    shutil.copytree(home.folder, volume, dirs_exist_ok=True)
    remount(volume, "ro")
    copy = back_up(volume, folder)
    assert (await restored(copy))[:2] == (5, 5)
