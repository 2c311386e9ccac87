"""What tells a damaged ledger from a sound one, and what is done with it.

SQLite notices a broken page, but not a WAL that lost its end (to SQLite that is a transaction which never
happened) and not a flipped bit in a number. So every row carries a checksum, and a marker beside the
database names the last commit that was acknowledged. The marker is written after the commit's fsync and
needs none of its own: it can be older than the database after a power cut, never newer.
"""

import os
import time
from pathlib import Path
from typing import Final

import apsw
import msgspec
import xxhash

from exporter.errors import LedgerError

FILES: Final = ("", "-journal", "-wal", "-shm")
"""What SQLite adds to a database's name for the files that a database may consist of."""
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
