"""A file that grows, is rotated and is truncated, and the checkpoint beside it."""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from exporter.errors import ConfigError, Rejected
from exporter.send.connection import Undelivered
from exporter.send.csv_rows import CsvRows
from exporter.send.envelopes import fields_of
from exporter.send.field_names import FieldNames
from exporter.send.options import Format
from exporter.send.records import MAX_CHARACTERS, Record, ndjson_records

POLL: Final = 0.2
QUIET: Final = 1.0
"""Seconds. A writer may continue in the old file for a moment after the rotation."""
_TAIL: Final = 256
"""Bytes before the position, by which the file is recognized: inode numbers are used again."""


class Checkpoint(msgspec.Struct, frozen=True):
    """The end of the last line that was read, and the file that it is in.

    `follower` is random, and `number` counts the files and truncations before: together with `offset` they
    name a line that no other machine, file or generation of the file has. `tail` is the digest of the bytes
    before `offset`.
    """

    follower: str
    number: int
    inode: int
    offset: int = 0
    line: int = 0
    tail: str = ""

    def id_of(self, content: bytes) -> str:
        """The id of the event whose line ends here; `content` is the digest of its fields."""
        place = f"{self.follower}:{self.number}:{self.offset}:"
        return f"follow1-{blake2b(place.encode() + content, digest_size=16).hexdigest()}"


class FollowedFile:
    """Reads a file's lines as they are written, for good; the counterpart of `Source`.

    `on_idle` is called before the file is waited for. Raises `ConfigError` when the checkpoint cannot be
    used, and `read` raises `Undelivered` when it can no longer be written.
    """

    def __init__(
        self, path: Path, format: Format | None = None, columns: Mapping[str, str] | None = None
    ) -> None:
        self.name = str(path)
        self.size = 0
        self.names = FieldNames(columns)
        self.on_idle: Callable[[], None] = lambda: None
        self._columns = columns
        self._path = path
        self._format = format or ("csv" if path.suffix.lower() in (".csv", ".tsv") else None)
        self._checkpoint_path = path.with_name(f"{path.name}.checkpoint")
        self._saved: Checkpoint | None = None
        self._offset = self._line = 0
        self._tail = b""
        self._read_at = 0.0
        try:
            # A file that has a checkpoint may be away, between two steps of its rotation.
            self.checkpoint = self._load() or Checkpoint(
                secrets.token_hex(8), 0, path.stat().st_ino
            )
            self.save(self.checkpoint)
        except OSError as error:
            raise ConfigError(f"--follow: {error.filename}: {error.strerror}") from None
        except Undelivered as error:
            raise ConfigError(f"--follow: {error}") from None

    def position(self) -> int:
        """0: the progress has no end."""
        return 0

    def read(self, note: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
        """Line and fields of each record, for good.

        `note` gets the names of ignored columns and keys, and lines that were lost.
        """
        file = self._holder()
        try:
            while True:
                if file is None:
                    note(
                        f"{self.name}: was truncated or replaced after line "
                        f"{self.checkpoint.line:,}: continues at its beginning"
                    )
                    file = self._next(None)
                with file:
                    for record in self._records(file):
                        while self.names.notes:
                            note(f"{self.name}: {self.names.notes.pop()}")
                        yield self._line, record
                    self._idle()
                    replaced, status = self._replaced(file), os.fstat(file.fileno())
                file = self._holder() if replaced else self._next(status)
        except Rejected as error:
            yield 1, error
        except OSError as error:
            raise Undelivered(f"{self.name}: {error.strerror or error}") from None

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes the position up to which all events have an answer. Raises `Undelivered`."""
        if checkpoint == self._saved:
            return
        temporary = self._checkpoint_path.with_suffix(".checkpoint.new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._checkpoint_path)
        except OSError as error:
            raise Undelivered(f"{self._checkpoint_path}: {error.strerror}") from None
        self._saved = checkpoint

    def _load(self) -> Checkpoint | None:
        try:
            return msgspec.json.decode(self._checkpoint_path.read_bytes(), type=Checkpoint)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ConfigError(
                f"{self._checkpoint_path}: is not a checkpoint; without it, the file is sent from "
                "its beginning, and events without an id may be counted again"
            ) from None

    def _records(self, file: BinaryIO) -> Iterator[Record]:
        """The records behind the position, until the file is replaced, or rotated and finished."""
        self._offset = self._line = 0
        self._tail = b""
        start = self.checkpoint
        lines = self._lines(file)
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        format = self._format or ("ndjson" if first.lstrip("\ufeff \t").startswith("{") else "csv")
        if format == "csv":
            self.names = FieldNames(self._columns)
            records = iter(CsvRows(chain([first], lines), self.names))
        else:
            before = [] if start.offset else [first]
            records = ndjson_records(chain(before, lines))
        if start.offset > self._offset:
            self._offset, self._line = start.offset, start.line
            self._tail = _tail(file, start.offset)
            file.seek(start.offset)
        for _, record in records:
            self.checkpoint = msgspec.structs.replace(
                start, offset=self._offset, line=self._line, tail=_digest(self._tail)
            )
            yield record if format == "csv" else fields_of(record, self.names)

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        """Whole lines, and at the end of a rotated file also a part of a line."""
        while True:
            line = file.readline(MAX_CHARACTERS)
            ended = len(line) == MAX_CHARACTERS or line.endswith(b"\n")
            if not ended and not self._finished(file):
                file.seek(self._offset)
                self._idle()
                time.sleep(POLL)
                if self._replaced(file):
                    return
                continue
            if not line:
                return
            self._offset += len(line)
            self._line += 1
            self._tail = (self._tail + line)[-_TAIL:]
            self._read_at = time.monotonic()
            # A writer that does not append leaves a hole of zeros where the file was truncated.
            line = line.lstrip(b"\0")
            yield line.decode("utf-8-sig" if self._line == 1 else "utf-8", "surrogateescape")

    def _idle(self) -> None:
        self.on_idle()
        self.save(self.checkpoint)

    def _finished(self, file: BinaryIO) -> bool:
        """Whether the file was rotated, and its writer has begun the next one."""
        with suppress(FileNotFoundError):
            current = self._path.stat()
            if not os.path.samestat(current, os.fstat(file.fileno())) and current.st_size:
                return time.monotonic() - self._read_at > QUIET
        return False

    def _replaced(self, file: BinaryIO) -> bool:
        """Whether other bytes are in front of the place that was read: the file was truncated."""
        return _tail(file, self._offset) != self._tail

    def _open(self, rank: Callable[[bool, BinaryIO], Any]) -> BinaryIO | None:
        """Of FILE and its rotated files the one with the lowest rank; those with rank None are not it.

        They are opened before they are compared, as a rotation may rename them at any time.
        """
        pattern = re.compile(re.escape(self._path.name) + r"[.-]\d[\d_.-]*")
        rotated = [path for path in self._path.parent.iterdir() if pattern.fullmatch(path.name)]
        best, best_rank = None, None
        for path in (self._path, *rotated):
            ignored = FileNotFoundError if path == self._path else OSError
            with suppress(ignored), ExitStack() as unused:
                file = unused.enter_context(path.open("rb"))
                file_rank = rank(path == self._path, file)
                if file_rank is not None and (best_rank is None or file_rank < best_rank):
                    unused.pop_all()
                    if best:
                        best.close()
                    best, best_rank = file, file_rank
        return best

    def _holder(self) -> BinaryIO | None:
        """The file that has the position: FILE, a rotated file, or a copy of a truncated file."""
        position = self.checkpoint

        def rank(_: bool, file: BinaryIO) -> bool | None:
            other = os.fstat(file.fileno()).st_ino != position.inode
            matches = _digest(_tail(file, position.offset)) == position.tail
            return other if matches and not (other and position.offset == 0) else None

        return self._open(rank)

    def _next(self, finished: os.stat_result | None) -> BinaryIO:
        """The file that was begun after a rotated file, which may have been rotated as well."""

        def rank(current: bool, file: BinaryIO) -> tuple[bool, int] | None:
            status = os.fstat(file.fileno())
            newer = (
                finished is not None
                and not os.path.samestat(status, finished)
                and status.st_mtime_ns >= finished.st_mtime_ns
            )
            return (current, status.st_mtime_ns) if current or newer else None

        while (file := self._open(rank)) is None:
            time.sleep(POLL)
        # Saved before events are sent, as their ids depend on it.
        follower, number = self.checkpoint.follower, self.checkpoint.number + 1
        self.checkpoint = Checkpoint(follower, number, os.fstat(file.fileno()).st_ino)
        self.save(self.checkpoint)
        return file


def _tail(file: BinaryIO, offset: int) -> bytes:
    """The bytes before an offset; fewer if the file is shorter."""
    length = min(offset, _TAIL)
    return os.pread(file.fileno(), length, offset - length)


def _digest(tail: bytes) -> str:
    return blake2b(tail, digest_size=8).hexdigest() if tail else ""
