"""The ledger's files: the lock of their folder, and whether their paths still lead to the open files."""

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exporter.errors import LedgerError, LedgerInUse

_SPACE: Final = 1024**2
"""Bytes that must be free before a full disk counts as usable again: a large group commit."""


class Lock:
    """The lock on a folder. SQLite's own lock comes too late: a second process must not look for damage."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise LedgerInUse(
                f"the ledger in {path.parent} is in use by another process: two exporters need two "
                "data_dirs"
            ) from None

    def has_space(self) -> bool:
        """Whether the disk has space for more than a small transaction.

        A small transaction may fit in the WAL's last pages on a full disk. It is no proof of free space:
        readiness then changed every second.
        """
        try:
            os.posix_fallocate(self._file, 0, _SPACE)
        except OSError as error:
            return error.errno not in {errno.ENOSPC, errno.EDQUOT}
        finally:
            os.ftruncate(self._file, 0)
        return True

    def close(self) -> None:
        os.close(self._file)


class Replaced(LedgerError):
    """A path no longer leads to the open file; the text names the path."""


class OpenFiles:
    """Compares paths with the files that are open now.

    A commit to a deleted file succeeds and is lost, and a second process can create a ledger at its path.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [(str(path), os.stat(path)) for path in paths]

    def check(self) -> None:
        """Raises `Replaced` when a path leads to another file, or to none."""
        for path, opened in self._files:
            try:
                same = os.path.samestat(os.stat(path), opened)
            except OSError as error:
                raise Replaced(f"{path} was moved or deleted: {error.strerror}") from None
            if not same:
                raise Replaced(f"{path} is another file now")
