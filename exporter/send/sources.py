"""Inputs: opened, decompressed, their format detected, and read record by record."""

import csv
import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from exporter.errors import ConfigError, Rejected
from exporter.send.csv_rows import csv_records
from exporter.send.options import Format
from exporter.send.records import FIELDS, Record, json_records, ndjson_records

STDIN: Final = Path("-")
_READERS: Final = {"json": json_records, "ndjson": ndjson_records, "csv": csv_records}
_ALIASES: Final = {"jsonl": "ndjson", "tsv": "csv"}
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
    """A file or standard input, which can be read once."""

    def __init__(self, path: Path, format: Format | None = None) -> None:
        self.name = "<stdin>" if path == STDIN else str(path)
        self.size = path.stat().st_size if path.is_file() else 0  # before decompression
        self._path = path
        self._format = format
        self._file: io.BufferedReader[io.FileIO] | None = None

    def position(self) -> int:
        """How many bytes of `size` have been read."""
        if self._file is None:
            return 0
        return self.size if self._file.closed else self._file.tell()

    def read(self, note: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
        """Line and fields of each record, and a last `Rejected` for an input that breaks off.

        `note` gets the names of unknown fields, once.
        """
        line, warned = 0, False
        try:
            for line, record in self._records():
                if not warned and isinstance(record, dict) and not record.keys() <= FIELDS:
                    warned = True
                    unknown = ", ".join(sorted(name[:100] for name in record.keys() - FIELDS))
                    note(f"{self.name}: fields that events do not have are ignored: {unknown}")
                yield line, record
        except Rejected as error:
            yield line + 1, error
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield line + 1, Rejected("invalid_json", f"the rest cannot be read: {reason}")

    def _records(self) -> Iterator[tuple[int, Record]]:
        stdin = self._path == STDIN
        raw = io.FileIO(sys.stdin.fileno() if stdin else self._path, closefd=not stdin)
        with io.BufferedReader(raw, _BUFFER) as self._file:
            stream: Any = self._file
            if stream.peek(2).startswith(b"\x1f\x8b"):
                stream = gzip.GzipFile(fileobj=stream)
            head = stream.peek(_BUFFER)
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise Rejected("invalid_json", "the file is UTF-16: save it as UTF-8")
            suffix = self._path.name.lower().removesuffix(".gz").rpartition(".")[2]
            suffix = _ALIASES.get(suffix, suffix)
            format = self._format or (suffix if suffix in _READERS else _detected(head))
            # surrogateescape: a record with other bytes is refused alone, as its encoding fails.
            text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="\n")
            yield from _READERS[format](text)


def _detected(head: bytes) -> Format:
    """NDJSON if the first line is an object, JSON if it begins with a bracket, otherwise CSV."""
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text.startswith(("{", "[")):
        _, first = next(ndjson_records(io.StringIO(text)))
        return "ndjson" if isinstance(first, dict) else "json"
    return "csv"
