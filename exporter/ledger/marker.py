"""The commit marker: a file beside the database that names the last acknowledged commit."""

import os
import struct
from pathlib import Path
from typing import Final

import xxhash

_MARKER: Final = struct.Struct("<QQ")


class CommitMarker:
    """The number of the last acknowledged commit, in a file of 16 bytes beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> int:
        """The commit it names; 0 when it is new, or unreadable and so no marker of anything."""
        content = os.pread(self._file, _MARKER.size, 0)
        if len(content) != _MARKER.size:
            return 0
        commit, check = _MARKER.unpack(content)
        return commit if check == _check(commit) else 0

    def write(self, commit: int) -> None:
        """Name a commit that is durable."""
        try:
            os.pwrite(self._file, _MARKER.pack(commit, _check(commit)), 0)
        except OSError:
            # A full disk refuses even these 16 bytes when the file is new. The commit is durable all
            # the same, and an older marker only detects less.
            return

    def close(self) -> None:
        os.close(self._file)


def _check(commit: int) -> int:
    return xxhash.xxh3_64_intdigest(commit.to_bytes(8, "little"))
