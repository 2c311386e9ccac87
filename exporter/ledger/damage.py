"""What tells a damaged ledger from a sound one, and what is done with it.

SQLite notices a broken page, but not a WAL that lost its end (to SQLite that is a transaction which never
happened) and not a flipped bit in a number. So every row carries a checksum, and a witness beside the
database names the last commit that was acknowledged. The witness is written after the commit's fsync and
needs none of its own: it can be older than the database after a power cut, never newer.
"""

import os
import struct
import time
from pathlib import Path
from typing import Final

import apsw
import msgspec
import xxhash

from exporter.errors import LedgerError

FILES: Final = ("", "-journal", "-wal", "-shm")
"""What SQLite adds to a database's name for the files that a database may consist of."""
_WITNESS: Final = struct.Struct("<QQ")
_ENVIRONMENT: Final = (
    apsw.FullError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.PermissionsError,
    apsw.AuthError,
)
"""What goes wrong around a file that may be sound: it is not to be moved aside for that."""


class Damaged(LedgerError):
    """The store's content can't be trusted; the text says what was found."""


def says_damage(error: apsw.Error, database: Path) -> bool:
    """Whether SQLite's error while reading is about the file's content, not about its surroundings.

    Bits flipped in the header came out as SQLError, ReadOnlyError, TooBigError and more.
    """
    if isinstance(error, apsw.ReadOnlyError):
        return os.access(database, os.W_OK)
    if isinstance(error, apsw.IOError):
        # What should be there is not: the file was cut. Any other I/O error is the disk's.
        return bool(error.extendedresult == apsw.SQLITE_IOERR_SHORT_READ)  # type: ignore[attr-defined]
    return not isinstance(error, _ENVIRONMENT)


def checksum(*values: object) -> int:
    """A signed 64-bit checksum of a row's values (SQLite's integers are signed)."""
    return xxhash.xxh3_64_intdigest(msgspec.msgpack.encode(values)) - (1 << 63)


class Witness:
    """The number of the last acknowledged commit, in a file of 16 bytes beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> int:
        """The commit it names; 0 when it is new, or unreadable and so no witness of anything."""
        content = os.pread(self._file, _WITNESS.size, 0)
        if len(content) != _WITNESS.size:
            return 0
        commit, check = _WITNESS.unpack(content)
        return commit if check == _check(commit) else 0

    def write(self, commit: int) -> None:
        """Name a commit that is durable."""
        try:
            os.pwrite(self._file, _WITNESS.pack(commit, _check(commit)), 0)
        except OSError:
            # A full disk refuses even these 16 bytes when the file is new. The commit is durable all
            # the same, and an older witness only detects less.
            return

    def close(self) -> None:
        os.close(self._file)


def move_aside(database: Path, now: float) -> Path:
    """Rename a damaged database and its WAL so that nothing overwrites them; the new name.

    `now` in Unix seconds names the file; a number is added when the name is taken.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    first = target = database.with_name(f"{database.name}.damaged-{stamp}")
    number = 1
    while any(file.exists() for file in _files(target)):
        number += 1
        target = first.with_name(f"{first.name}-{number}")
    for source, aside in zip(_files(database), _files(target), strict=True):
        if source.exists():
            source.rename(aside)
    return target


def _files(database: Path) -> list[Path]:
    """The files a database may consist of."""
    return [database.with_name(database.name + suffix) for suffix in FILES]


def _check(commit: int) -> int:
    return xxhash.xxh3_64_intdigest(commit.to_bytes(8, "little"))
