"""Inputs: opened, decompressed, their format detected, and read record by record."""

import csv
import gzip
import io
import os
import re
import select
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from exporter.errors import ConfigError, Rejected
from exporter.send.csv_rows import csv_rows
from exporter.send.envelopes import fields_of, unwrapped
from exporter.send.field_names import FieldNames
from exporter.send.options import Format, format_of
from exporter.send.records import MAX_CHARACTERS, Record, json_records, lines, ndjson_records
from exporter.send.rotation import Checkpoint

STDIN: Final = Path("-")
_BUFFER: Final = 64 * 1024
_HEADER: Final = re.compile(r"[,;\t]|sep=")
"""A CSV header has one of these; a log line before the first JSON line may have none."""
_UNREADABLE: Final = {
    b"PK\x03\x04": "a zip or a spreadsheet (xlsx, ods): unpack it, or save it as CSV UTF-8",
    b"BZh": "bzip2: unpack it, bzip2 -dc FILE | session-end-exporter send -",
    b"\xfd7zXZ\0": "xz: unpack it, xz -dc FILE | session-end-exporter send -",
    b"\x28\xb5\x2f\xfd": "zstd: unpack it, zstd -dc FILE | session-end-exporter send -",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (xls): save it as CSV UTF-8",
    b"PAR1": "Parquet: export it as CSV or NDJSON",
}


def check_columns(files: Sequence[Path], format: Format | None, columns: Mapping[str, str]) -> None:
    """Raises `ConfigError` if no record of a file has the key of the column for `code` or `system`.

    Each failure would be counted as a normal end, and be a conflict when it is sent again.
    """
    wanted = {field for field in ("code", "system") if columns.get(field)}
    mistakes = []
    for path in files:
        if wanted and path != STDIN and path.is_file():
            probe = Source(path, format, columns)
            if not any(wanted <= probe.names.seen for _ in probe.read(lambda _: None)):
                remedy = "no event is sent. If all ends are normal: --column code="
                mistakes += [f"{path}: {text}: {remedy}" for text in probe.names.unseen_columns()]
    if mistakes:
        raise ConfigError(*mistakes)


def is_stream(files: Sequence[Path]) -> bool:
    """Whether an input is a pipe or a socket: what was read cannot be read again."""
    return any(_is_pipe(sys.stdin.fileno()) if path == STDIN else path.is_fifo() for path in files)


class Source:
    """A file or standard input, which can be read once; `columns` are those of `parse_columns`."""

    def __init__(
        self, path: Path, format: Format | None = None, columns: Mapping[str, str] | None = None
    ) -> None:
        self.name = "<stdin>" if path == STDIN else str(path)
        self.size = 0  # before decompression; 0 for a pipe
        with suppress(OSError):
            self.size = path.stat().st_size
        self.columns = columns
        self.names = FieldNames(columns)
        # Reads a line of NDJSON instead of the JSON parser; None leaves the line to the parser.
        self.plain: Callable[[str], Any] = lambda line: None
        self.on_idle: Callable[[], None] = lambda: None  # called before each wait for a pipe
        self.checkpoint: Checkpoint | None = None  # in a followed file
        self.refused: list[str] = []  # why the input, or a part of it, was not read
        self._path = path
        self._format = format
        self._file: io.BufferedReader[_Input] | None = None

    def position(self) -> int:
        """How many bytes of `size`, which is not 0, have been read."""
        if self._file is None:
            return 0
        return self.size if self._file.closed else self._file.tell()

    def read(self, note: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
        """Line and fields of each record, and a last `Rejected` for an input that breaks off.

        `note` gets the names of ignored columns and keys.
        """
        self.names.note = lambda text: note(f"{self.name}: {text}")
        line = 0
        try:
            for line, record in self._records():
                yield line, record
        except Rejected as error:
            self.refused.append(error.message)
        except (OSError, csv.Error, UnicodeError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.refused.append(f"cannot be read: {reason}")
        self.refused += self.names.unseen_columns()
        for text in self.refused:
            yield line + 1, Rejected("invalid_field", text)

    def _records(self) -> Iterator[tuple[int, Record]]:
        stdin = self._path == STDIN
        raw = _Input(sys.stdin.fileno() if stdin else self._path, closefd=not stdin)
        raw.on_idle = self.on_idle
        with io.BufferedReader(raw, _BUFFER) as self._file:
            stream = _decompressed(self._file)
            head: bytes = stream.peek(_BUFFER)
            # Wrong bytes make only their record invalid.
            encoding, errors = "utf-8-sig", "surrogateescape"
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                encoding, errors = "utf-16", "surrogatepass"
            start = head.decode(encoding, "replace")
            # A Macintosh ends lines with a carriage return.
            newline = None if "\r" in start and "\n" not in start else "\n"
            text = io.TextIOWrapper(stream, encoding, errors, newline=newline)
            content = lines(text)
            # The lines until the first that is not blank.
            first = []
            for line in content:
                first.append(line)
                if line.strip():
                    break
            format = self._format or format_of(self._path.name)
            format = format or _detected("".join(first).strip())
            if format == "csv":
                yield from csv_rows(chain(first, content), self.names)
            elif format == "json":
                if _is_pipe(raw.fileno()):
                    self.names.note(
                        "JSON is read to its end before its events are sent: with an event per line "
                        "(jq -c), each is sent at once"
                    )
                read = "".join(first)
                read += text.read(MAX_CHARACTERS - len(read))
                yield from self._events(enumerate(json_records(read), 1))
            else:
                yield from self._events(ndjson_records(chain(first, content), self.plain))

    def _events(self, records: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
        """Line and fields of each event; an event inside an object has its number instead of a line."""
        number = 0
        for line, record in records:
            events = unwrapped(record, self.names)
            if events is None:
                number += 1
                yield line, fields_of(record, self.names)
            else:
                for event in events:
                    number += 1
                    yield number, event


class _Input(io.FileIO):
    """A file that calls `on_idle` before it waits for data: a pipe's earlier lines can be sent then."""

    on_idle: Callable[[], None]

    def readinto(self, buffer: Any, /) -> int | None:
        poll = select.poll()
        poll.register(self, select.POLLIN)
        if not poll.poll(0):
            self.on_idle()
        return super().readinto(buffer)


def _decompressed(file: "io.BufferedReader[_Input]") -> Any:
    """The content of a file. Raises `Rejected` with the remedy."""
    head = file.peek(8)
    for magic, remedy in _UNREADABLE.items():
        if head.startswith(magic):
            raise Rejected("invalid_json", f"the file is {remedy}")
    return gzip.GzipFile(fileobj=file) if head.startswith(b"\x1f\x8b") else file


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _detected(first: str) -> Format:
    """The format, from the first line: a log message may come before the first event."""
    if re.match(r"\[\s*([\[{\]]|$)", first):
        return "json"
    if first.startswith("{"):
        # The first line of a log may be cut off.
        return "json" if first.endswith(("{", "[", ",", ":")) else "ndjson"
    return "csv" if _HEADER.search(first) else "ndjson"
