"""The files of a ledger: the lock and the commit marker, and a check that all are still in place."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import xxhash

from exporter.errors import LedgerError

_SPACE: Final = 1024**2
"""Bytes that must be free before a full disk counts as usable again: a large group commit."""
_MARKER: Final = struct.Struct("<QQ")


class Claim:
    """The lock on a folder, and its commit marker.

    The marker is a file of 16 bytes: the number of the last acknowledged commit and its checksum. To SQLite,
    a WAL that lost its end looks like transactions that never happened; the marker shows the loss. It is
    written after the commit's fsync and needs no fsync: after a power cut it may be older than the database,
    never newer. Only `reset` has an fsync, for a new database.
    """

    def __init__(self, folder: Path) -> None:
        # SQLite's own lock comes too late: a second process must not look for damage.
        self._lock, self._marker = _open(folder / "ledger.lock"), _open(folder / "ledger.marker")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise LedgerError(
                f"the ledger in {folder} is in use by another process: two exporters need two data_dirs"
            ) from None

    def has_space(self) -> bool:
        """Whether the disk has space for more than a small transaction."""
        # A small one may fit in the WAL's last pages on a full disk: readiness changed every second.
        try:
            os.posix_fallocate(self._lock, 0, _SPACE)
        except OSError as error:
            return error.errno != errno.ENOSPC
        finally:
            os.ftruncate(self._lock, 0)
        return True

    def free(self) -> int:
        """Free bytes of the disk."""
        disk = os.fstatvfs(self._lock)
        return disk.f_bavail * disk.f_frsize

    def mark(self, commit: int) -> None:
        """Write the number of a commit that is durable."""
        try:
            os.pwrite(self._marker, _MARKER.pack(commit, _check(commit)), 0)
        except OSError:
            # A full disk may refuse even 16 bytes. The commit is durable; an old marker only detects less.
            return

    def reset(self) -> None:
        """Name no commit, durably: the old marker would show that a new database lost all its commits."""
        os.pwrite(self._marker, _MARKER.pack(0, _check(0)), 0)
        os.fsync(self._marker)

    @contextmanager
    def unpaused(self) -> Iterator[None]:
        """No backup copies the ledger meanwhile. Raises `BlockingIOError` while a backup does."""
        fcntl.flock(self._marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            fcntl.flock(self._marker, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._lock)
        os.close(self._marker)


@contextmanager
def paused(marker: Path) -> Iterator[None]:
    """No checkpoint changes the database file, unless the WAL is large."""
    with marker.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def read_marker(marker: Path) -> int:
    """The commit in a marker, or 0 when the file is new or unreadable: it then proves nothing."""
    content = marker.read_bytes()
    if len(content) != _MARKER.size:
        return 0
    commit, check = _MARKER.unpack(content)
    return int(commit) if check == _check(commit) else 0


class Replaced(LedgerError):
    """A file of the ledger was moved, deleted or replaced; the text names its path."""


class OpenFiles:
    """The files that an open ledger opened, compared with the files at their paths.

    A commit to a deleted file succeeds and is lost, and a second process can create a ledger at its path.
    """

    def __init__(self, folder: Path) -> None:
        names = ("ledger.db", "ledger.db-wal", "ledger.lock", "ledger.marker")
        self._folder = str(folder)
        self._files = [(str(folder / name), _state(str(folder / name))[:2]) for name in names]
        self._unchanged: tuple[int, ...] = ()

    def check(self) -> None:
        """Raises `Replaced` when a path leads to another file or to none."""
        for path, opened in self._files:
            if _state(path)[:2] != opened:
                raise Replaced(f"{path} was moved, deleted or replaced")

    def check_changes(self) -> None:
        """`check`, if a file was created, renamed or deleted in the folder since the last check."""
        # A `stat` of the WAL makes the next commit a third slower: since Linux 6.13, the first write after a
        # `stat` sets a new time of change.
        state = _state(self._folder)
        if state != self._unchanged:
            self.check()
            self._unchanged = state


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable. SQLite does so too, but ignores errors for folders."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _state(path: str) -> tuple[int, ...]:
    """Device, inode and time of the last change; empty when there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _check(commit: int) -> int:
    return xxhash.xxh3_64_intdigest(commit.to_bytes(8, "little"))
