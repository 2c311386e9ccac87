"""CSV: a header row with the names of fields, then an event a row."""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, TextIO

from exporter.errors import Rejected
from exporter.send.records import FIELDS, Record, lines

_LABEL: Final = re.compile(r"^labels?[._](?=.)")
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def csv_records(text: TextIO) -> Iterator[tuple[int, Record]]:
    """Line and fields of each row that is not blank.

    Columns `labels.NAME` and `label_NAME` become labels. Raises `Rejected` for an invalid header.
    """
    numbered = enumerate(lines(text), 1)
    header_line, header = next(((n, line) for n, line in numbered if line.strip()), (0, "system"))
    # Excel writes semicolons where the comma is the decimal separator.
    delimiter = max(",;\t", key=header.count)
    names = next(csv.reader([header], delimiter=delimiter))
    columns = [_LABEL.sub("labels.", name.strip()) for name in names]
    if "system" not in columns:
        raise Rejected("missing_system", "the header row has no column `system`: no row is read")
    for name in columns:
        if columns.count(name) > 1 and (name in FIELDS or name.startswith("labels.")):
            raise Rejected("duplicate_key", f"the header row has {name!r} twice")
    # strict: otherwise the end of the file closes an open quote, and rows vanish inside a cell.
    rows = csv.reader((line for _, line in numbered), delimiter=delimiter, strict=True)
    while True:
        line = header_line + rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Rejected("invalid_field", f"not CSV: {error}")
            continue
        if any(row) and len(row) != len(columns):
            message = f"{len(row)} cells, but the header has {len(columns)}"
            yield line, Rejected("invalid_field", message)
        elif any(row):
            yield line, _fields(columns, row)


def _fields(columns: list[str], row: list[str]) -> dict[str, Any]:
    """The cells as JSON values; a cell of the wrong type stays text, which breaks a field's rule."""
    fields: dict[str, Any] = {}
    labels = {}
    for column, cell in zip(columns, row, strict=True):
        if column.startswith("labels."):
            labels[column.removeprefix("labels.")] = cell
        elif column:
            fields[column] = cell
    if labels:
        fields["labels"] = labels
    if final := fields.get("final"):
        fields["final"] = _BOOLEANS.get(final.strip().lower(), final)
    if duration := fields.get("duration_seconds"):
        with suppress(ValueError):
            fields["duration_seconds"] = float(duration)
    return fields
