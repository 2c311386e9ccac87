"""The commit marker: a file beside the database that names the last acknowledged commit.

To SQLite, a WAL that lost its end looks like transactions that never happened. The marker shows the loss.
It is written after the commit's fsync and needs no fsync: after a power cut it may be older than the
database, never newer.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

import xxhash

_FORMAT: Final = struct.Struct("<QQ")


class CommitMarker:
    """The number of the last acknowledged commit and its checksum, in a file of 16 bytes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> int:
        """The commit, or 0 when the file is new or unreadable: it then proves nothing."""
        content = os.pread(self._file, _FORMAT.size, 0)
        if len(content) != _FORMAT.size:
            return 0
        commit, check = _FORMAT.unpack(content)
        return int(commit) if check == _check(commit) else 0

    def write(self, commit: int) -> None:
        """Name a durable commit."""
        # A full disk may refuse even 16 bytes. The commit is durable, and an old marker only detects less.
        with suppress(OSError):
            os.pwrite(self._file, _FORMAT.pack(commit, _check(commit)), 0)

    def close(self) -> None:
        os.close(self._file)


def _check(commit: int) -> int:
    return xxhash.xxh3_64_intdigest(commit.to_bytes(8, "little"))
