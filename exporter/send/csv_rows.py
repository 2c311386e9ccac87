"""CSV as programs and spreadsheets write it: a header row, then one event per row."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
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


def csv_rows(lines: Iterator[str], names: FieldNames) -> Iterator[tuple[int, Record]]:
    """Line and fields of each row that is not blank. Raises `Rejected` for an unusable header."""
    line, header, delimiter = 0, "", ""
    for header in lines:
        line += 1
        if match := _DELIMITER_LINE.fullmatch(header):
            delimiter = match[1]
        elif header.strip():
            break
    else:
        return
    # Excel writes semicolons where the comma is the decimal separator.
    delimiter = delimiter or max(",;\t", key=header.count)
    row = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))
    columns = [name.strip() for name in row]
    while columns and not columns[-1]:
        columns.pop()
    keys = names.header(columns)
    taken: list[str] = []

    def take(text: str) -> str:
        taken.append(text)
        return text

    for record in _records(map(take, lines), keys, delimiter):
        records = [record]
        if len(taken) > 1 and isinstance(record, Rejected):
            # A quote that is not closed: thousands of rows were lost in its cell.
            records = [next(_records([text], keys, delimiter)) for text in taken]
        for number, fields in enumerate(records, line + 1):
            if fields is not None:
                yield number, fields
        line += len(taken)
        taken.clear()


def _records(lines: Iterable[str], keys: Sequence[str], delimiter: str) -> Iterator[Record | None]:
    """The fields of each row; None for a blank row."""
    # strict: otherwise the end of the file closes an open quote, and rows vanish inside a cell.
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
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
        while len(cells) > len(keys) and not cells[-1]:
            cells.pop()
        if any(cells) and len(cells) != len(keys):
            message = f"{len(cells)} cells, but the header has {len(keys)}"
            yield Rejected("invalid_field", message)
        else:
            yield _event(cells, keys, delimiter) if any(cells) else None


def _event(cells: Sequence[str], keys: Sequence[str], delimiter: str) -> dict[str, Any]:
    """The cells as JSON values; a cell of the wrong type stays text, so validation rejects it."""
    values = ("" if cell in _NULLS else cell for cell in cells)
    event = event_of(zip(keys, values, strict=True))
    if final := event.get("final"):
        event["final"] = _BOOLEANS.get(final.lower(), final)
    if duration := event.get("duration_seconds"):
        if delimiter != ",":
            duration = duration.replace(",", ".")
        with suppress(ValueError):
            event["duration_seconds"] = float(duration)
    return event
