"""Checkpoints of a ledger while it is open, and the lock with which a backup pauses them."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Final

import apsw

from exporter.ledger.store import Store
from exporter.logs import Log

log = Log("exporter.ledger")

CHECKPOINT_PAGES: Final = 1000
"""Pages of the WAL from which a commit is followed by a checkpoint: SQLite's default."""
MOST_PAGES: Final = 65_536
"""Pages (256 MiB) from which a checkpoint no longer waits for a backup: a backup to a disk that hangs must
not fill the disk of the ledger. The backup notices the change and copies again. A failed checkpoint breaks
the ledger from this size on."""
LEAST_FREE: Final = 64 * 1024**2
"""Free bytes below which a checkpoint does not wait either: the WAL would fill a small disk earlier."""


Hook = Callable[[apsw.Connection, str, int], int]


def checkpoint_hook(store: Store, on_failure: Callable[[], None]) -> Hook:
    """The hook of SQLite after each commit, in place of its automatic checkpoint. Pauses during a backup.

    Between two checkpoints the database file does not change and the WAL grows at its end only, so another
    process can copy both files while commits continue. The lock is `flock` on the commit marker: a backup
    holds it shared, a checkpoint exclusively. It ends with the process that holds it.

    `on_failure` is called for each failed checkpoint. From `MOST_PAGES` on, the hook raises its error.
    """
    marker = store.path.with_name("ledger.marker")
    failing = False

    def after_commit(connection: apsw.Connection, database: str, pages: int) -> int:
        nonlocal failing
        if pages < CHECKPOINT_PAGES:
            return apsw.SQLITE_OK
        try:
            with ExitStack() as context:
                if pages < MOST_PAGES and disk_usage(marker).free >= LEAST_FREE:
                    context.enter_context(_locked(marker, fcntl.LOCK_EX | fcntl.LOCK_NB))
                store.checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
            before, failing = failing, False
            if before:
                log.info("checkpoint_recovered")
        except (BlockingIOError, apsw.FullError):
            # A backup or a full disk. The commit succeeded, and the next one tries again, as in SQLite.
            pass
        except (apsw.Error, OSError) as error:
            if pages >= MOST_PAGES:
                raise
            before, failing = failing, True
            on_failure()
            if not before:
                log.error("checkpoint_failed", error=str(error))
        return apsw.SQLITE_OK

    return after_commit


def paused(marker: Path) -> AbstractContextManager[None]:
    """No automatic checkpoint changes the database file, unless the WAL is large or its disk nearly full."""
    return _locked(marker, fcntl.LOCK_SH)


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    # Opened each time: the lock belongs to the open file, which could later be that of a moved ledger.
    # NFS refuses an exclusive lock on a file that is open for reading only. A backup may only read.
    access = os.O_RDWR if operation & fcntl.LOCK_EX else os.O_RDONLY
    descriptor = os.open(path, access)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)
