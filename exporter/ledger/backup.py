"""A copy of a ledger in a file, while an exporter may count events in the ledger."""

import tempfile
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Final

import apsw
import msgspec

from exporter.errors import LedgerError
from exporter.ledger.files import paused, read_marker, sync
from exporter.ledger.store import Damaged, Meta, Store
from exporter.ledger.totals import Changes

_TRIES: Final = 5
"""Most attempts to copy. A new attempt is needed if the WAL begins anew or an exporter starts or stops."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: its file, the id of the ledger that was copied, and the last commit in it.

    `until` is Unix time: the file has all events that were acknowledged before, and may have later ones.
    """

    file: Path
    ledger: str
    commit: int
    size: int
    until: float


def back_up(data_dir: Path, folder: Path) -> Backup:
    """Copy the ledger in `data_dir` to a new file in `folder`, which must exist.

    The file contains the state after one commit, with all events that were acknowledged before
    `Backup.until`. It is verified, durable, and complete from the moment it has its name. Raises
    `LedgerError`.

    Its ledger has no id: each start of a restored copy chooses a new one, so that Prometheus sees new series.
    With an old id, the lower counts would be a counter reset, and all restored ends would be counted as new
    ends. Of two exporters with the same id, one would count for nothing, because rules take their maximum.
    """
    database = data_dir / "ledger.db"
    try:
        return _back_up(database, data_dir / "ledger.marker", folder)
    except (OSError, apsw.FullError, apsw.IOError) as error:
        problem = f"{folder}: {error}"
    except (Damaged, apsw.Error, UnicodeDecodeError) as damage:
        problem = f"the copy of {database} is damaged: {damage}"
    raise LedgerError(f"{problem}; no backup was written")


def _back_up(database: Path, marker: Path, folder: Path) -> Backup:
    if not (database.is_file() and marker.is_file()):
        raise LedgerError(
            f"{database.parent} is not the data_dir of an exporter: it has no ledger.db with a "
            "ledger.marker; set --data-dir"
        )
    if not folder.is_dir():
        raise LedgerError(f"{folder} is not a directory: create it, or mount its disk")
    # A time that sorts as text. Until the backup is complete, its files are in a folder of their own.
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=folder) as unfinished:
        copy = Path(unfinished) / "ledger.db"
        copy.touch(mode=0o600)
        until, acknowledged = _copy(database, marker, copy)
        meta = _finish(copy, acknowledged)
        sync(copy)
        file = folder / f"ledger-{stamp}-{meta.ledger}.db"
        if file.exists():
            raise LedgerError(f"{file} exists already; no backup was written")
        copy.replace(file)
        sync(folder)
    return Backup(file, meta.ledger, meta.commit, file.stat().st_size, until)


def _copy(database: Path, marker: Path, copy: Path) -> tuple[float, int]:
    """Copy database and WAL. Returns when the copy of the WAL began, and the last commit before it."""
    wal, copied_wal = (path.with_name(f"{path.name}-wal") for path in (database, copy))
    with paused(marker):
        for _ in range(_TRIES):
            unchanged = _state(database)
            copyfile(database, copy)
            # After the database, so that all commits after the last checkpoint are in the WAL. SQLite ignores
            # a frame at the end that was copied in part. The first commit after a checkpoint begins the WAL
            # anew, which its header shows: a copy of both parts would undo a part of the checkpoint.
            header = _header(wal)
            until, acknowledged = time.time(), read_marker(marker)
            if header:
                copyfile(wal, copied_wal)
            else:
                copied_wal.unlink(missing_ok=True)
            # An exporter that starts or stops makes a checkpoint in spite of the lock.
            if (_state(database), _header(wal), _header(copied_wal)) == (unchanged, header, header):
                return until, acknowledged
    raise LedgerError(f"{database} changed {_TRIES} times while it was copied; try again")


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _header(wal: Path) -> bytes:
    """The header of a WAL, which has another salt after each beginning; empty for a WAL that is not there."""
    try:
        with wal.open("rb") as file:
            return file.read(32)
    except FileNotFoundError:
        return b""


def _finish(copy: Path, acknowledged: int) -> Meta:
    """Verify all rows, remove the ledger's id, and move the WAL into the database."""
    with closing(Store(copy)) as store:
        store.check()
        meta = store.meta()
        if meta.commit < acknowledged:
            raise Damaged(f"it ends at commit {meta.commit}, but {acknowledged} was acknowledged")
        for rows in (store.series().values(), store.durations(), store.ids()):
            deque(rows, maxlen=0)
        store.check_rows(meta)
        store.write(msgspec.structs.replace(meta, ledger=""), Changes([], []))
        store.checkpoint()
    return meta
