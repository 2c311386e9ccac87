"""One process at a time opens a ledger, and its files must stay in place."""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.files import Lock, OpenFiles, Replaced
from exporter.ledger.recovery import LedgerSettings, create, open_ledger
from exporter.ledger.store import Meta
from tests.ledger.batches import batch
from tests.ledger.faulty_disk import faulty_disk
from tests.ledger.home import SqliteHome, unavailable, until, value


async def test_commit_to_a_deleted_file_is_not_shown(home: SqliteHome) -> None:
    """Fails when the files are compared after the totals are published."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    (home.folder / "ledger.db").unlink()
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db "):
        await ledger.commit(batch([2]))
    assert value(ledger) == 1


def test_file_replaced_within_the_resolution_of_times_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when a folder is trusted a second after a change: another change may leave its time the same."""
    for name in ("ledger.db", "ledger.db-wal", "ledger.lock", "ledger.marker", "copy"):
        (tmp_path / name).touch()
    stat, changed = os.stat, tmp_path.stat()
    files = OpenFiles(tmp_path, lambda: changed.st_ctime + 1)

    def coarse(path: object, **options: Any) -> os.stat_result:
        return changed if path == str(tmp_path) else stat(path, **options)

    monkeypatch.setattr(os, "stat", coarse)
    files.check_changes()
    (tmp_path / "copy").replace(tmp_path / "ledger.lock")
    with pytest.raises(Replaced, match="is another file now"):
        files.check_changes()
    files.close()


def overwrite(path: Path, source: str) -> None:
    """As `cp` does: the path still leads to the open file."""
    shutil.copyfile(path.with_name(source), path)


def cut(path: Path, size: int = 0) -> None:
    os.truncate(path, size)


@pytest.mark.parametrize(
    ("name", "change", "then"),
    [
        ("ledger.db", partial(overwrite, source="other.db"), "close"),
        ("ledger.db", partial(overwrite, source="older.db"), "idle"),
        ("ledger.db", partial(cut, size=8192), "idle"),
        ("ledger.db-wal", cut, "commit"),
        ("ledger.db-wal", partial(cut, size=10_000), "close"),
    ],
    ids=["other ledger, close", "older copy", "cut", "empty WAL, commit", "cut WAL, close"],
)
async def test_file_overwritten_in_place_breaks_the_ledger(
    home: SqliteHome, name: str, change: Callable[[Path], None], then: str
) -> None:
    """Row 28. Fails without the comparison of the contents: later commits got receipts and were lost.

    The commit extends a truncated WAL to a larger size than before.
    """
    home.folder.mkdir()
    create(home.folder / "other.db", Meta(ledger="0"))
    ledger = await home.open()
    await ledger.close()
    shutil.copy(home.folder / "ledger.db", home.folder / "older.db")
    for number in (1, 2):
        ledger = await home.open()
        await ledger.commit(batch([number]))
        await ledger.commit(batch([number], unkeyed=1))
        if number == 1:
            await ledger.close()
    change(home.folder / name)
    if then == "commit":
        await ledger.commit(batch(range(100, 500)))
    if then != "close":
        home.monotonic.advance(1.1)
        with suppress(LedgerUnavailable):
            await ledger.commit(batch([]))
        await until(lambda: home.calls["broken"])
    await ledger.close()
    assert home.calls["broken"] == 1
    problem = f"the ledger failed: {home.folder / name} was overwritten by another program"
    assert ledger.status().problem == problem


async def test_checkpoint_does_not_hide_an_overwritten_database(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the check before the checkpoint, which writes the first pages again."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    create(home.folder / "other.db", Meta(ledger="0"))
    overwrite(home.folder / "ledger.db", "other.db")
    monkeypatch.setattr("exporter.ledger.checkpoints.CHECKPOINT_PAGES", 1)
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db was overwritten"):
        await ledger.commit(batch([2]))


async def test_checkpoint_and_refused_write_are_not_taken_for_another_program(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the database after a checkpoint is not remembered, and when the WAL is expected to keep a
    commit that the checkpoint moved: the refused write replaces the WAL's header."""
    monkeypatch.setattr("exporter.ledger.checkpoints.CHECKPOINT_PAGES", 1)
    with faulty_disk() as disk:
        ledger = await home.open()
        await ledger.commit(batch([1]))
        # As when a page needs space to be overwritten, and a header still fits.
        disk.name, disk.error, disk.most = "ledger.db-wal", apsw.FullError(), 32
        await unavailable(ledger, 2)
        home.monotonic.advance(1.1)
        # The second refusal comes after the housekeeping that follows the first.
        await unavailable(ledger, 2)
        assert "is full" in str(await unavailable(ledger, 2))
        disk.error = None
        assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([1, 0])
        await ledger.close()
        assert (await home.open()).status().damaged is None


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
    with pytest.raises(LedgerError, match=r"data_dir .*/file is not a directory"):
        open_ledger(LedgerSettings(tmp_path / "file"))
    with pytest.raises(LedgerError, match=r"data_dir .*/file/below: .*/file is not a directory"):
        open_ledger(LedgerSettings(tmp_path / "file" / "below"))


@pytest.mark.parametrize(
    ("error", "space"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EINVAL, True)]
)
def test_only_a_full_disk_or_quota_has_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, space: bool
) -> None:
    """Fails when a file system that cannot reserve space counts as full: the ledger would not recover.

    Another user must not be able to lock the file: no exporter would start.
    """
    lock, path = Lock(tmp_path / "lock"), tmp_path / "lock"
    assert lock.has_space()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (0, 0o600)

    def refuse(*_: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert lock.has_space() is space
    lock.close()
