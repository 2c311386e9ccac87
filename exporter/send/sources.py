"""Inputs: opened, decompressed, their format detected, and read record by record."""

import csv
import io
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from exporter.errors import ConfigError, Rejected
from exporter.send import compression
from exporter.send.csv_rows import CsvRows
from exporter.send.envelopes import fields_of, is_wrapped, wrapped_records
from exporter.send.field_names import FieldNames
from exporter.send.options import Format
from exporter.send.records import Record, json_records, lines, ndjson_records

STDIN: Final = Path("-")
_FORMATS: Final[dict[str, Format]] = {
    "json": "json",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "csv": "csv",
    "tsv": "csv",
}
_BUFFER: Final = 64 * 1024


def check(files: Sequence[Path]) -> None:
    """Raises `ConfigError` with a line for each file that cannot be read."""
    mistakes = []
    for path in files:
        # Not opened: a pipe such as <(command) can be opened only once.
        if path != STDIN and (path.is_dir() or not os.access(path, os.R_OK)):
            missing = "permission denied" if path.exists() else "no such file"
            mistakes.append(f"{path}: {'is a directory' if path.is_dir() else missing}")
    if mistakes:
        raise ConfigError(*mistakes)


class Source:
    """A file or standard input, which can be read once.

    `columns` are those of `field_names.parse_columns`. `on_idle` is called before a pipe is waited for.
    """

    def __init__(
        self, path: Path, format: Format | None = None, columns: Mapping[str, str] | None = None
    ) -> None:
        self.name = "<stdin>" if path == STDIN else str(path)
        self.size = path.stat().st_size if path.is_file() else 0  # before decompression
        self.names = FieldNames(columns)
        self.on_idle: Callable[[], None] = lambda: None
        self._path = path
        self._format = format
        self._file: io.BufferedReader[_Input] | None = None

    def position(self) -> int:
        """How many bytes of `size` have been read."""
        if self._file is None or not self.size:
            return 0
        return self.size if self._file.closed else self._file.tell()

    def read(self, note: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
        """Line and fields of each record, and a last `Rejected` for an input that breaks off.

        `note` gets the names of ignored columns and keys.
        """
        line = 0
        try:
            for line, record in self._records():
                while self.names.notes:
                    note(f"{self.name}: {self.names.notes.pop()}")
                yield line, record
        except Rejected as error:
            yield line + 1, error
        except (OSError, csv.Error, UnicodeError, *compression.ERRORS) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield line + 1, Rejected("invalid_json", f"the rest cannot be read: {reason}")
        for text in self.names.unseen_columns():
            yield line + 1, Rejected("invalid_field", text)

    def _records(self) -> Iterator[tuple[int, Record]]:
        stdin = self._path == STDIN
        raw = _Input(sys.stdin.fileno() if stdin else self._path, closefd=not stdin)
        raw.on_idle = self.on_idle
        with io.BufferedReader(raw, _BUFFER) as self._file:
            stream: Any
            stream, name = compression.decompressed(self._file, self._path)
            head: bytes = stream.peek(_BUFFER)
            encoding, errors = _encoding(head)
            start = head.decode(encoding, "replace")
            # A Macintosh ends lines with a carriage return.
            newline = None if "\r" in start and "\n" not in start else "\n"
            text = io.TextIOWrapper(stream, encoding, errors, newline=newline)
            wrapped = is_wrapped(start)
            format = self._format or _FORMATS.get(name.rpartition(".")[2]) or _detected(start)
            if format == "csv":
                yield from CsvRows(lines(text), self.names)
            elif wrapped:
                yield from wrapped_records(text, self.names)
            else:
                records = json_records(text) if format == "json" else ndjson_records(lines(text))
                for line, record in records:
                    yield line, fields_of(record, self.names)


class _Input(io.FileIO):
    """A file that calls `on_idle` before it waits for data: a pipe's earlier lines can be sent then."""

    on_idle: Callable[[], None]

    def readinto(self, buffer: Any, /) -> int | None:
        poll = select.poll()
        poll.register(self, select.POLLIN)
        if not poll.poll(0):
            self.on_idle()
        return super().readinto(buffer)


def _encoding(head: bytes) -> tuple[str, str]:
    """The encoding of a text, and how wrong bytes are decoded: their record is refused alone."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", "surrogatepass"
    if b"\0" in head[:2]:
        rule = "the file is UTF-16 without a byte order mark, or no text: save it as UTF-8"
        raise Rejected("invalid_json", rule)
    return "utf-8-sig", "surrogateescape"


def _detected(start: str) -> Format:
    """NDJSON if the first line is an object, JSON if it begins with a bracket, otherwise CSV."""
    text = start.lstrip()
    if text.startswith(("{", "[")):
        _, first = next(ndjson_records(io.StringIO(text)))
        return "ndjson" if isinstance(first, dict) else "json"
    return "csv"
