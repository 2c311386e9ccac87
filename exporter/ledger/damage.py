"""How damage to a ledger's file is recognized, and where a damaged file goes.

SQLite detects a broken page, but not a flipped bit in a number: each row has a checksum.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec
import xxhash

from exporter.errors import LedgerError

SUFFIXES: Final = ("", "-journal", "-wal", "-shm")
"""Endings of the names of a database's files."""
_NOT_DAMAGE: Final = (
    *(apsw.FullError, apsw.CantOpenError, apsw.BusyError, apsw.LockedError),
    *(apsw.PermissionsError, apsw.AuthError),
)
"""Errors of the disk, of rights and of other processes: the file may be undamaged and stays in place."""


T = TypeVar("T")


class Damaged(LedgerError):
    """The content of the file cannot be trusted; the text says why."""


def is_damage(error: apsw.Error) -> bool:
    """Whether an error that SQLite raised while reading a file that it can write is about its content."""
    # Flipped bits in the header raise many kinds of errors, also SQLError, ReadOnlyError and TooBigError.
    if isinstance(error, apsw.IOError):
        # A short read means that the file was cut. Other I/O errors come from the disk.
        return bool(error.extendedresult == apsw.SQLITE_IOERR_SHORT_READ)  # type: ignore[attr-defined]
    return not isinstance(error, _NOT_DAMAGE)


def read_again(read: Callable[[], T], database: Path) -> T:
    """The result of `read`, which is called again if it raised `Damaged`.

    SQLite reports some read errors as damage. A disk that still fails raises `OSError` between the calls.
    """
    try:
        return read()
    except Damaged:
        for suffix in SUFFIXES:
            with suppress(FileNotFoundError), open(f"{database}{suffix}", "rb") as file:
                while file.read(1 << 20):
                    pass
    return read()


def checksum(*values: object) -> int:
    """A 64-bit checksum of a row, signed as the integers of SQLite are."""
    return xxhash.xxh3_64_intdigest(msgspec.msgpack.encode(values)) - (1 << 63)


def move_aside(database: Path, now: float) -> Path:
    """Rename the files of a damaged database with the time `now` (Unix seconds); returns the new name."""
    # With microseconds: a name must never be that of an earlier damaged file.
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = f"{database}.damaged-{stamp}"
    for suffix in SUFFIXES:
        if os.path.exists(f"{database}{suffix}"):
            os.rename(f"{database}{suffix}", f"{target}{suffix}")
    return Path(target)
