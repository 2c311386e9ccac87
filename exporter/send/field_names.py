"""The field that a column or key means: from `--column`, otherwise from the spelling of its name."""

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from exporter.errors import ConfigError, Rejected
from exporter.event_fields import FIELDS, field_named, nearest_field, same_name

_FIELDS: Final = frozenset(FIELDS)
_LABEL: Final = re.compile(r"labels?[._ ](?=.)", re.IGNORECASE)
_MAX_IGNORED: Final = 1000
"""Ignored names that are remembered: a sender may make up a name for each record."""
_MAX_CHARACTERS: Final = 100
"""Longer names are not remembered."""


def parse_columns(options: Iterable[str]) -> dict[str, str]:
    """The columns by field, from `--column FIELD=COLUMN`; "" means no column. Raises `ConfigError`."""
    columns: dict[str, str] = {}
    for option in options:
        name, separator, column = map(str.strip, option.partition("="))
        field = _column_field(name)
        if not separator or field is None:
            raise ConfigError(
                f"--column {shlex.quote(option)}: must be FIELD=COLUMN, where FIELD is one of "
                f"{', '.join(FIELDS)}, labels.NAME"
            )
        if field in columns or (column and column in columns.values()):
            raise ConfigError(f"--column {shlex.quote(option)}: is the second for this name")
        columns[field] = column
    return columns


class FieldNames:
    """The fields that the names of one input mean.

    `columns` are those of `parse_columns`, matched without regard to case, spaces, `_` and `-` if no name
    is exactly the same.
    """

    def __init__(self, columns: Mapping[str, str] | None = None) -> None:
        self._columns = columns or {}
        self._mapped = {column: field for field, column in self._columns.items() if column}
        self.ignored: dict[str, str | None] = {}  # name: nearest field
        self.note: Callable[[str], None] = lambda _: None  # gets messages about ignored names
        self.seen: set[str | None] = set()  # fields of records

    def header(self, names: Sequence[str]) -> list[str]:
        """The key of each column's cells: a field, `labels.NAME`, or "" if the column is ignored.

        Raises `Rejected` for a header with which rows could be misread.
        """
        by_name = self._fields(names, _column_field)
        fields = [by_name[name] for name in names]
        for column, field in self._mapped.items():
            if field not in fields:
                raise _no_column(column, names)
        self.seen.update(fields)
        for field in filter(None, fields):
            if fields.count(field) > 1:
                same = [name for name in names if by_name[name] == field]
                text = f"the header has {len(same)} columns for `{field}`: {', '.join(same)}"
                remedy = f"name one of them: {_option(field, 'COLUMN')}, or rename one"
                raise Rejected("duplicate_key", f"{text}; {remedy}")
        if "system" not in fields:
            raise _no_column("system", names, ": --column system=COLUMN")
        if "code" not in fields and "code" not in self._columns:
            remedy = ": --column code=COLUMN, or --column code= if every row is a normal end"
            raise _no_column("code", names, remedy)
        self._ignore(name for name in names if name and by_name[name] is None)
        return [field or "" for field in fields]

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        """The fields of a JSON object. Raises `Rejected` for two keys that mean one field."""
        if not self._columns and record.keys() <= _FIELDS:
            return record
        values: dict[str, Any] = {}
        ignored: list[str] = []
        named = self._fields(record)
        self.seen.update(named.values())
        for key, value in record.items():
            field = named[key]
            if field is None:
                ignored.append(key)
            elif field in values:
                raise Rejected("duplicate_key", f"two keys mean `{field}`: {key!r} is the second")
            else:
                values[field] = value
        self._ignore(ignored)
        return event_of(values.items())

    def keys(self, names: Collection[str]) -> dict[str, str]:
        """The key of each field among the names of a record."""
        return {field: name for name, field in self._fields(names).items() if field}

    def unseen_columns(self) -> list[str]:
        """A line for each `--column` whose key no record has had, if there were records."""
        return [
            f"{_option(field, column)}: no record has this key"
            for field, column in self._columns.items()
            if self.seen and column and field not in self.seen
        ]

    def _fields(
        self, names: Collection[str], spelled: Callable[[str], str | None] = field_named
    ) -> dict[str, str | None]:
        """The field of each name; `spelled` gives the field of a name that `--column` does not map."""
        fields = {
            name: None if (field := spelled(name)) in self._columns else field for name in names
        }
        for column, field in self._mapped.items():
            others = (key for key in names if same_name(key, column))
            fields |= dict.fromkeys([column] if column in fields else others, field)
        return fields

    def _ignore(self, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self.ignored and len(name) <= _MAX_CHARACTERS]
        new = new[: _MAX_IGNORED - len(self.ignored)]
        if not new:
            return
        nearest = {name: nearest_field(name) for name in new}
        self.ignored |= nearest
        words = [f"{name} (near `{field}`)" if field else name for name, field in nearest.items()]
        self.note(f"ignored, as events have no such field: {', '.join(words)}")


def event_of(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The event with these values, by the keys that `FieldNames.header` gives; "" is no field."""
    event: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    for key, value in values:
        if key.startswith("labels."):
            labels[key.removeprefix("labels.")] = value
        else:
            event[key] = value
    if labels:
        # A column `labels` has no object in its cells.
        given = event.get("labels")
        event["labels"] = labels | given if isinstance(given, dict) else labels
    return event


def _column_field(name: str) -> str | None:
    """The field that a column of a table means; a column `labels.NAME` or `label_NAME` is a label."""
    label = _LABEL.match(name)
    return f"labels.{name[label.end() :]}" if label else field_named(name)


def _no_column(name: str, names: Sequence[str], remedy: str = "") -> Rejected:
    """The refusal of a table without a column."""
    columns = ", ".join(filter(None, names))[:500]
    text = f"the header has no column `{name}`; its columns are {columns}{remedy}: no row is read"
    return Rejected("invalid_field", text)


def _option(field: str, column: str) -> str:
    return "--column " + shlex.quote(f"{field}={column}")
