"""A log's file and its rotated files, and the position that a reader has in one of them."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

_HEAD: Final = 1024
TAIL: Final = 256
"""Bytes at the beginning and before the position, by which a file is recognized: inode numbers are
reused."""


class Checkpoint(msgspec.Struct, frozen=True):
    """The end of the last line that was read, and the file that it is in.

    `follower`, `number` and `offset` name a line that no other machine, file or generation of the file has.
    """

    follower: str  # random
    number: int  # of files and truncations before
    inode: int
    offset: int = 0
    line: int = 0
    tail: str = ""  # digest of the bytes before `offset`
    head: str = ""  # digest of the first `head_size` bytes
    head_size: int = 0
    modified: int = 0  # when the file was written, in ns

    def id_of(self, content: bytes) -> str:
        """The id of the event whose line ends here; `content` is the digest of its fields."""
        place = f"{self.follower}:{self.number}:{self.offset}:"
        return f"follow1-{blake2b(place.encode() + content, digest_size=16).hexdigest()}"

    @property
    def of_empty_file(self) -> bool:
        """Whether no byte of the file was seen, so that it cannot be recognized."""
        return not self.offset and not self.head_size

    def begins(self, file: BinaryIO) -> bool:
        """Whether the file has the beginning that was seen."""
        return digest(os.pread(file.fileno(), self.head_size, 0)) == self.head

    def seen(self, file: BinaryIO) -> "Checkpoint":
        """The same position, with what the file shows now."""
        modified = max(self.modified, os.fstat(file.fileno()).st_mtime_ns)
        head, head_size = self.head, self.head_size
        if head_size < _HEAD:
            beginning = os.pread(file.fileno(), _HEAD, 0)
            head, head_size = digest(beginning), len(beginning)
        return msgspec.structs.replace(self, head=head, head_size=head_size, modified=modified)

    def next(self, file: BinaryIO) -> "Checkpoint":
        """The beginning of the next file."""
        kept = Checkpoint(
            self.follower,
            # An empty file keeps its number: another process may follow it too, and its lines need equal ids.
            self.number + (not self.of_empty_file),
            os.fstat(file.fileno()).st_ino,
            modified=self.modified,
        )
        return kept.seen(file)


def holder(log: Path, position: Checkpoint) -> BinaryIO | None:
    """The file whose content has the position: the log, a rotated file, or a copy of a truncated file."""
    if position.of_empty_file:
        return None

    def rank(current: bool, file: BinaryIO) -> bool | None:
        other = os.fstat(file.fileno()).st_ino != position.inode
        matches = digest(tail(file, position.offset)) == position.tail
        # A copy has another name. Under the same name it is a new file that begins with equal lines.
        new = other and current and not position.offset
        return other if matches and position.begins(file) and not new else None

    return _open(log, rank)


def next_file(log: Path, position: Checkpoint, finished: os.stat_result | None) -> BinaryIO | None:
    """The oldest file that was begun after `finished`, or after the position's file, which is gone."""

    def newer(status: os.stat_result, file: BinaryIO) -> bool:
        if finished is not None:
            return _age(status) > _age(finished)
        # A copy of the position's file that was made before its last lines were written.
        copy = status.st_size < position.offset and position.begins(file)
        return status.st_mtime_ns > position.modified and not copy

    def rank(current: bool, file: BinaryIO) -> tuple[bool, tuple[int, int]] | None:
        status = os.fstat(file.fileno())
        return (current, _age(status)) if current or newer(status, file) else None

    return _open(log, rank)


def has_newer(log: Path, rotated: os.stat_result) -> bool:
    """Whether lines were written to another file after the last line of a rotated file."""
    files = map(os.stat, _paths(log))
    return any(file.st_size and _age(file) > _age(rotated) for file in files)


def _open(log: Path, rank: Callable[[bool, BinaryIO], Any]) -> BinaryIO | None:
    """The log or rotated file with the lowest rank; files with rank None are left out."""
    while True:
        paths = _paths(log)
        best, best_rank = None, None
        for path in paths:
            with suppress(FileNotFoundError if path == log else OSError), ExitStack() as unused:
                file = unused.enter_context(path.open("rb"))
                file_rank = rank(path == log, file)
                if file_rank is not None and (best_rank is None or file_rank < best_rank):
                    unused.pop_all()
                    if best:
                        best.close()
                    best, best_rank = file, file_rank
        # A rotation during the loop may have hidden a file: neither of its names was opened.
        if _paths(log) == paths:
            return best
        if best:
            best.close()


def _paths(log: Path) -> dict[Path, int]:
    """The inode numbers of the log and of its rotated files."""
    name = re.compile(re.escape(log.name) + r"[.-]\d[\d_.-]*")
    paths = {}
    rotated = (path for path in log.parent.iterdir() if name.fullmatch(path.name))
    for path in (log, *filter(Path.is_file, rotated)):
        with suppress(FileNotFoundError):
            paths[path] = path.stat().st_ino
    return paths


def _age(status: os.stat_result) -> tuple[int, int]:
    """The sort key of rotated files. Files of the same time have an order too, so each is read once."""
    return status.st_mtime_ns, status.st_ino


def tail(file: BinaryIO, offset: int) -> bytes:
    """The bytes before an offset; fewer if the file is shorter."""
    length = min(offset, TAIL)
    return os.pread(file.fileno(), length, offset - length)


def digest(content: bytes) -> str:
    """A short hash of the content; "" for no content."""
    return blake2b(content, digest_size=8).hexdigest() if content else ""
