"""A file that grows, is rotated and is truncated, and the checkpoint beside it."""

import io
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from exporter.errors import ConfigError
from exporter.send.connection import Undelivered
from exporter.send.envelopes import fields_of
from exporter.send.records import Record, ndjson_records
from exporter.send.rotation import TAIL, Checkpoint, digest, has_newer, holder, next_file, tail
from exporter.send.sources import Source

BLOCK: Final = 1 << 20
"""Bytes of a read. A longer line is read in parts, which are skipped."""
POLL: Final = 0.2
QUIET: Final = 1.0
"""Seconds. A writer may continue in the old file for a moment after the rotation."""


class FollowedFile(Source):
    """Reads the lines of a file of NDJSON as they are written, without an end.

    `on_idle` is called before each wait for the file, `on_loss` with a message about lost lines.
    The constructor raises `ConfigError` when the file or its checkpoint cannot be read. The constructor and
    `read` raise `Undelivered` when the checkpoint cannot be written.
    """

    checkpoint: Checkpoint

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str] | None = None,
        on_loss: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(path, None, columns)
        self.size = 0
        self._on_loss = on_loss
        self._checkpoint_path = path.with_name(f"{path.name}.checkpoint")
        self._saved: Checkpoint | None = None
        self._offset = self._line = 0
        self._tail = b""
        self._next_inode, self._next_seen = 0, 0.0
        try:
            # A file that has a checkpoint may be missing between two steps of its rotation.
            self.checkpoint = self._load()
            self.save(self.checkpoint)
        except OSError as error:
            raise ConfigError(f"--follow: {error.filename}: {error.strerror}") from None

    def _records(self) -> Iterator[tuple[int, Record]]:
        try:
            file = holder(self._path, self.checkpoint)
            while True:
                if file is None:
                    if not self.checkpoint.of_empty_file:
                        self._on_loss(
                            f"{self.name}: was truncated or replaced: lines after line "
                            f"{self.checkpoint.line:,} may be lost"
                        )
                    file = self._next(None)
                with file:
                    for record in self._followed(file):
                        yield self._line, record
                    self._idle()
                    replaced, status = self._replaced(file), os.fstat(file.fileno())
                file = holder(self._path, self.checkpoint) if replaced else self._next(status)
        except OSError as error:
            raise Undelivered(f"{self.name}: {error.strerror}") from None

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

    def _load(self) -> Checkpoint:
        """The saved checkpoint, or without one the beginning of the file."""
        try:
            return msgspec.json.decode(self._checkpoint_path.read_bytes(), type=Checkpoint)
        except FileNotFoundError:
            with self._path.open("rb") as file:
                return Checkpoint(secrets.token_hex(8), 0, 0).next(file)
        except msgspec.MsgspecError:
            raise ConfigError(
                f"{self._checkpoint_path}: is not a checkpoint; without it, the file is sent from "
                "its beginning, and events without an id may be counted again"
            ) from None

    def _followed(self, file: BinaryIO) -> Iterator[Record]:
        """The records after the position, until the file is replaced, or rotated and finished."""
        self._offset, self._line = self.checkpoint.offset, self.checkpoint.line
        self._tail = tail(file, self._offset)
        for _, record in ndjson_records(self._lines(file)):
            self.checkpoint = msgspec.structs.replace(
                self.checkpoint, offset=self._offset, line=self._line, tail=digest(self._tail)
            )
            yield fields_of(record, self.names)

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        """Whole lines, and at the end of a rotated file also a part of a line."""
        finished = False
        while True:
            start = self._offset
            block = os.pread(file.fileno(), BLOCK, start)
            seen = self.checkpoint.seen(file)
            # Checked after the read: a file that was truncated may have grown beyond the position.
            if self._replaced(file):
                return
            self.checkpoint = seen
            # The ids of events depend on the file. Before the first response, only its beginning
            # distinguishes it from the next one.
            if not seen.offset:
                self.save(seen)
            at_end = finished and len(block) < BLOCK
            for line in io.BytesIO(block):
                if not (line.endswith(b"\n") or len(line) == BLOCK or at_end):
                    break
                self._offset += len(line)
                self._line += 1
                self._tail = (self._tail + line)[-TAIL:]
                # A writer that does not append leaves a hole of zeros where the file was truncated.
                text = line.lstrip(b"\0")
                yield text.decode("utf-8-sig" if self._line == 1 else "utf-8", "surrogateescape")
            if self._offset > start:
                continue
            if finished:
                return
            # One more read finds the lines that were written before the rotation was noticed.
            finished = self._finished(file)
            if not finished:
                self._idle()
                time.sleep(POLL)

    def _idle(self) -> None:
        self.on_idle()
        self.save(self.checkpoint)

    def _finished(self, file: BinaryIO) -> bool:
        """Whether the file was rotated, and its writer began the next one a moment ago."""
        with suppress(FileNotFoundError):
            current, status = self._path.stat(), os.fstat(file.fileno())
            rotated = not os.path.samestat(current, status)
            if rotated and (current.st_size or has_newer(self._path, status)):
                if current.st_ino != self._next_inode:
                    self._next_inode, self._next_seen = current.st_ino, time.monotonic()
                return time.monotonic() - self._next_seen > QUIET
        return False

    def _replaced(self, file: BinaryIO) -> bool:
        """Whether the bytes before the position have changed: the file was truncated."""
        return tail(file, self._offset) != self._tail or not self.checkpoint.begins(file)

    def _next(self, finished: os.stat_result | None) -> BinaryIO:
        """The file that follows a rotated file. It may be rotated itself by now."""
        while (file := next_file(self._path, self.checkpoint, finished)) is None:
            time.sleep(POLL)
        self.checkpoint = self.checkpoint.next(file)
        return file
