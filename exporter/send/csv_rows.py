"""CSV as programs and spreadsheets write it: a header row, then one event per row."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from exporter.errors import Rejected
from exporter.send.field_names import FieldNames, event_of
from exporter.send.records import Record

_DELIMITER_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The line that Excel writes before the header, such as sep=;"""
_NULLS: Final = frozenset(("NULL", "null", "\\N", "NaN", "nan"))
"""Cells that databases and pandas write for a missing value. The code NULL was counted as a failure."""
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class CsvRows:
    """Reads the header from `lines`, then iterates over rows. Raises `Rejected` for an unusable header."""

    def __init__(self, lines: Iterator[str], names: FieldNames) -> None:
        # Blank lines, Excel's delimiter line if there is one, and the header.
        head = []
        for line in lines:
            head.append(line)
            if line.strip() and not _DELIMITER_LINE.fullmatch(line):
                break
        self._lines = lines
        self._line = len(head)
        self._keys: list[str] = []
        named = [_DELIMITER_LINE.fullmatch(line) for line in head]
        header = "" if not head or named[-1] else head[-1]
        # Excel writes semicolons where the comma is the decimal separator.
        self._delimiter = max(",;\t", key=header.count)
        for match in filter(None, named):
            self._delimiter = match[1]
        if header.strip():
            row = next(csv.reader([header], delimiter=self._delimiter, skipinitialspace=True))
            columns = [name.strip() for name in row]
            while columns and not columns[-1]:
                columns.pop()
            self._keys = names.header(columns)

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        """Line and fields of each row that is not blank."""
        line, taken = self._line + 1, list[str]()

        def take(text: str) -> str:
            taken.append(text)
            return text

        for record in self._records(map(take, self._lines)):
            records = [record]
            if len(taken) > 1 and isinstance(record, Rejected):
                # A quote that is not closed: thousands of rows were lost in its cell.
                records = [next(self._records([text])) for text in taken]
            for number, row in enumerate(records, line):
                if row is not None:
                    yield number, row
            line += len(taken)
            taken.clear()

    def _records(self, lines: Iterable[str]) -> Iterator[Record | None]:
        """The fields of each row; None for a blank row."""
        # strict: otherwise the end of the file closes an open quote, and rows vanish inside a cell.
        rows = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True, strict=True)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                text = str(error).replace("unexpected end of data", "a quote is not closed")
                yield Rejected("invalid_field", f"not CSV: {text}")
                continue
            cells = [cell.strip() for cell in row]
            # Spreadsheets write empty cells to the right of the table.
            while len(cells) > len(self._keys) and not cells[-1]:
                cells.pop()
            if any(cells) and len(cells) != len(self._keys):
                message = f"{len(cells)} cells, but the header has {len(self._keys)}"
                yield Rejected("invalid_field", message)
            else:
                yield self._event(cells) if any(cells) else None

    def _event(self, cells: list[str]) -> dict[str, Any]:
        """The cells as JSON values; a cell of the wrong type stays text, so validation rejects it."""
        values = ("" if cell in _NULLS else cell for cell in cells)
        event = event_of(zip(self._keys, values, strict=True))
        if final := event.get("final"):
            event["final"] = _BOOLEANS.get(final.lower(), final)
        if duration := event.get("duration_seconds"):
            if self._delimiter != ",":
                duration = duration.replace(",", ".")
            with suppress(ValueError):
                event["duration_seconds"] = float(duration)
        return event
