"""A disk that refuses writes of SQLite. Everything above it is real."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

BASE: Final = apsw.vfs_names()[0]


def file_name(name: Any) -> str:
    """The name of a file that SQLite opens."""
    path = name.filename() if isinstance(name, apsw.URIFilename) else name
    return Path(path or "temporary").name


class FaultyDisk(apsw.VFS):
    """While `error` is set, a write of more than `most` bytes to the file `name` raises it, except for the
    next `spare` of such writes."""

    name = "ledger.db"
    error: apsw.Error | None = None
    most = spare = 0

    def __init__(self) -> None:
        super().__init__("faulty", BASE, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__(BASE, name, flags)
        self._disk, self._name = disk, file_name(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        disk = self._disk
        if disk.error and self._name == disk.name and len(data) > disk.most:
            if not disk.spare:
                raise disk.error
            disk.spare -= 1
        super().xWrite(data, offset)


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """The disk of the ledgers that are opened in this context."""
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.unregister()
