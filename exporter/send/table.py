"""CSV: a header row of field names, an event a row, cells as the JSON values they stand for."""

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from exporter.errors import Rejected
from exporter.send.lines import TOO_LONG, Found, lines

_LABEL: Final = re.compile(r"labels?[._](.+)")
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_DELIMITERS: Final = ",;\t"
"""Excel writes semicolons wherever the comma is the decimal mark."""


def table(stream: BinaryIO, known: frozenset[str], warn: Callable[[str], None]) -> Iterator[Found]:
    """Each row's fields or what is wrong with it; `known` are the fields that events have.

    Columns `labels.NAME` and `label_NAME` become labels, other unknown ones are ignored and told to
    `warn` once. Empty cells are absent, rows of empty cells are none. Without a header that has
    `system`, the one thing found is that.
    """
    text = _Text(stream)
    header = ""
    while not header.strip():
        try:
            header = next(text)
        except StopIteration:
            return
        except Rejected as error:
            yield text.number, error
            return
    line = text.number
    try:
        delimiter, columns = _columns(header, known)
    except Rejected as error:
        yield line, error
        return
    ignored = [name for name in columns if name and name not in known and not _label(name)]
    if ignored:
        warn(f"columns that are not fields of an event are ignored: {', '.join(ignored)}")
    # strict: without it the end of the file closes an open quote, and rows vanish inside a cell.
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = text.number + 1
        try:
            row = next(rows)
            if any(row):
                yield line, _fields(columns, row, known)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Rejected("invalid_field", f"not CSV: {error}")
        except Rejected as error:
            yield line, error


class _Text:
    """Decoded lines. A class, because a generator that raised once is over and the rest is lost."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = lines(stream)
        self.number = 0

    def __iter__(self) -> "_Text":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            raise Rejected("invalid_field", TOO_LONG)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Rejected("invalid_field", f"byte {error.start + 1} is not UTF-8") from None


def _columns(header: str, known: frozenset[str]) -> tuple[str, list[str]]:
    for delimiter in _DELIMITERS:
        try:
            names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
        except csv.Error as error:
            raise Rejected("invalid_field", f"the header row is not CSV: {error}") from None
        if "system" in names:
            keys = [_label(name) or name for name in names if name in known or _label(name)]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise Rejected("duplicate_key", f"the header row has {twice!r} twice")
            return delimiter, names
    raise Rejected("missing_system", "no header row with a column named system: nothing is read")


def _label(column: str) -> str | None:
    found = _LABEL.fullmatch(column)
    return f"labels.{found[1]}" if found else None


def _fields(columns: list[str], row: list[str], known: frozenset[str]) -> dict[str, Any]:
    if len(row) != len(columns):
        raise Rejected("invalid_field", f"{len(row)} cells where the header has {len(columns)}")
    fields: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for column, cell in zip(columns, row, strict=True):
        if cell == "":
            continue
        if found := _LABEL.fullmatch(column):
            labels[found[1]] = cell
        elif column == "duration_seconds":
            fields[column] = _number(column, cell)
        elif column == "final":
            fields[column] = _boolean(column, cell)
        elif column in known:
            fields[column] = cell
    if labels:
        fields["labels"] = labels
    return fields


def _number(column: str, cell: str) -> float:
    if len(cell) > 400 or not _NUMBER.fullmatch(cell):
        raise Rejected("invalid_field", f"{column} = {cell[:100]!r}: a number, such as 12.5")
    return float(cell)


def _boolean(column: str, cell: str) -> bool:
    try:
        return _BOOLEANS[cell.strip().lower()]
    except KeyError:
        raise Rejected(
            "invalid_field", f"{column} = {cell[:100]!r}: one of {', '.join(_BOOLEANS)}"
        ) from None
