"""An input: opened, unpacked, its format told apart, and read record by record."""

import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from exporter.errors import ConfigError, Rejected
from exporter.send.documents import documents
from exporter.send.lines import Found, ndjson, parsed
from exporter.send.options import Format
from exporter.send.table import table

STDIN: Final = Path("-")
_SUFFIXES: Final[dict[str, Format]] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
}
_HEAD: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def check(files: Sequence[Path]) -> None:
    """Raises `ConfigError` with a line for each input that can't be read, before any is sent."""
    mistakes = [] if files else ["no file to send; - is standard input"]
    for path in files:
        if path == STDIN:
            continue
        # Not opened: a pipe from <(…) that is opened and closed once is gone.
        if not path.exists():
            mistakes.append(f"{path}: no such file")
        elif path.is_dir():
            mistakes.append(f"{path}: a directory")
        elif not os.access(path, os.R_OK):
            mistakes.append(f"{path}: not readable")
    if list(files).count(STDIN) > 1:
        mistakes.append("-: standard input can be read only once")
    if mistakes:
        raise ConfigError(*mistakes)


class Source:
    """One input. `read` may be called once; memory stays below a few MiB whatever its size."""

    def __init__(self, path: Path, format: Format | None = None) -> None:
        self.name = "<stdin>" if path == STDIN else str(path)
        self._path = path
        self._format = format
        self._raw: BinaryIO | None = None
        self._finished = False

    def read(self, known: frozenset[str], warn: Callable[[str], None]) -> Iterator[Found]:
        """Line and fields of each record, or what is wrong with it; `known` are an event's fields.

        An input that breaks off (a damaged .gz, a disk error) ends with a `Rejected` that says so.
        """
        line = 0
        try:
            with self._open() as raw:
                self._raw = raw
                format, stream = self._prepared(raw)
                for line, found in _records(format, stream, known, warn):
                    yield line, found
        except Rejected as error:
            yield line + 1, error
        except (OSError, EOFError, zlib.error) as error:
            text = getattr(error, "strerror", None) or str(error)
            yield line + 1, Rejected("invalid_json", f"can't be read any further: {text}")
        finally:
            self._raw, self._finished = None, True

    def size(self) -> int:
        """Bytes of the input as it lies on the disk; 0 when only the end will tell."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def position(self) -> int:
        """Bytes read so far, of the `size`."""
        size = self.size()
        if self._finished or not size:
            return size
        return self._raw.tell() if self._raw is not None else 0

    def _open(self) -> AbstractContextManager[BinaryIO]:
        return nullcontext(sys.stdin.buffer) if self._path == STDIN else open(self._path, "rb")

    def _prepared(self, raw: BinaryIO) -> tuple[Format, BinaryIO]:
        """The text's bytes without compression and byte order mark, and their format."""
        head = raw.read(_HEAD)
        stream = _again(head, raw)
        if head.startswith(_GZIP):
            import gzip

            unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=stream, mode="rb"))
            head = unpacked.read(_HEAD)
            stream = _again(head, unpacked)
        if head.startswith(_UTF_16):
            raise Rejected("invalid_json", "UTF-16: save it as UTF-8")
        if head.startswith(_BOM):
            head = head.removeprefix(_BOM)
            stream.read(len(_BOM))
        return self._format or _named(self._path) or _sniffed(head), stream


def _records(
    format: Format, stream: BinaryIO, known: frozenset[str], warn: Callable[[str], None]
) -> Iterator[Found]:
    if format == "csv":
        return table(stream, known, warn)
    return documents(stream) if format == "json" else ndjson(stream)


def _named(path: Path) -> Format | None:
    name = path.name.lower().removesuffix(".gz")
    return next((format for end, format in _SUFFIXES.items() if name.endswith(end)), None)


def _sniffed(head: bytes) -> Format:
    """A line that is a whole object by itself makes NDJSON; brackets otherwise JSON; else CSV."""
    text = head.lstrip()
    if text.startswith(b"{"):
        first = text.splitlines()[0]
        return "ndjson" if isinstance(parsed(first), dict) else "json"
    return "json" if text.startswith(b"[") else "csv"


def _again(head: bytes, rest: BinaryIO) -> BinaryIO:
    """`head` and then `rest`: a pipe can't be rewound after its first bytes were looked at."""
    return cast("BinaryIO", io.BufferedReader(_Joined(head, rest), _HEAD))


class _Joined(io.RawIOBase):
    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        piece = self._head[: len(view)] if self._head else self._rest.read(len(view))
        self._head = self._head[len(piece) :] if self._head else self._head
        view[: len(piece)] = piece
        return len(piece)
