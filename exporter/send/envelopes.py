"""Events inside of other JSON: CloudEvents, `{"events": […]}`, and Kusto's `{"tables": […]}`."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, TextIO

import msgspec

from exporter.errors import Rejected
from exporter.event_fields import FIELDS
from exporter.ingest import cloudevents
from exporter.ingest.ignored_fields import IgnoredFields
from exporter.send.field_names import FieldNames
from exporter.send.records import DECODER, Record, as_record, rejection

_MAX_DEPTH: Final = 16
"""Levels of JSON inside of base64; the exporter's default `max_depth`."""
_MAX_CHARACTERS: Final = 64 << 20
"""An export is parsed as a whole. Azure's query API returns at most 64 MB."""
_ARRAYS: Final = ("events", "records", "items", "results", "value", "data", "rows", "tables")
_WRAPPER: Final = re.compile(
    r'\s*\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+|\{[^{}]*\})\s*,\s*)*?'
    rf'"(?:{"|".join(_ARRAYS)})"\s*:\s*\[',
    re.IGNORECASE,
)
_SPACE: Final = re.compile(r"\s*")


class CloudEvent(dict[str, Any]):
    """The fields of a CloudEvent's event, with an `id` that is made of the source and the id.

    `attributes` are those of the envelope: on the exporter they are the event's key.
    """

    attributes: dict[str, str]


def fields_of(record: Record, names: FieldNames) -> Record:
    """The fields of an event, which may be the data of a CloudEvent in structured mode."""
    try:
        if isinstance(record, Rejected):
            return record
        return _cloudevent(record, names) if "specversion" in record else names.record(record)
    except Rejected as error:
        return error


def is_wrapped(head: str) -> bool:
    """Whether a text begins with an object that is no event and has an array of events."""
    wrapper = _WRAPPER.match(head)
    return wrapper is not None and not re.search('"(system|specversion)"', wrapper[0])


def wrapped_records(text: TextIO, names: FieldNames) -> Iterator[tuple[int, Record]]:
    """Number and fields of each event in objects with an array of events or of tables."""
    document = text.read(_MAX_CHARACTERS + 1)
    number, end = 0, 0
    try:
        if len(document) > _MAX_CHARACTERS:
            rule = "the object around the events has more than 64 MiB: write an event per line"
            raise Rejected("invalid_json", f"{rule}, jq -c '.events[]' FILE")
        while (space := _SPACE.match(document, end)) and space.end() < len(document):
            value, end = DECODER.raw_decode(document, space.end())
            for record in _unwrapped(value, names):
                number += 1
                yield number, record
    except (Rejected, ValueError, RecursionError) as error:
        yield number + 1, rejection(error, too_long=False)


def _unwrapped(value: Any, names: FieldNames) -> Iterator[Record]:
    members = value.items() if isinstance(value, dict) and "system" not in value else ()
    arrays = (
        (key.lower(), array)
        for key, array in members
        if key.lower() in _ARRAYS and isinstance(array, list)
    )
    name, array = next(arrays, ("events", [value]))
    if name == "tables":
        yield from _rows(array, names)
    else:
        yield from (fields_of(as_record(item), names) for item in array)


def _rows(tables: list[Any], names: FieldNames) -> Iterator[Record]:
    """The rows of the first table, which has the result of a Kusto query; others describe the query."""
    try:
        table = {key.lower(): value for key, value in tables[0].items()}
        columns = [column.get("name") or column["ColumnName"] for column in table["columns"]]
        rows: list[list[Any]] = table["rows"]
        keys = names.header(columns)
    except (LookupError, AttributeError, TypeError):
        raise Rejected("invalid_json", "`tables` is not the result of a Kusto query") from None
    for row in rows:
        if not isinstance(row, list) or len(row) != len(keys):
            yield Rejected("invalid_json", f"a row is not an array of {len(keys)} values")
            continue
        event: dict[str, Any] = {}
        for key, value in zip(keys, row, strict=True):
            if key.startswith("labels."):
                event.setdefault("labels", {})[key.removeprefix("labels.")] = value
            elif key:
                event[key] = value
        yield event


def _cloudevent(envelope: dict[str, Any], names: FieldNames) -> CloudEvent:
    if isinstance(data := envelope.get("data"), dict):
        envelope = envelope | {"data": names.record(data)}
    event, source = cloudevents.event(envelope, IgnoredFields(strict=False), _MAX_DEPTH)
    fields = CloudEvent({name: getattr(event, name) for name in FIELDS})
    fields.attributes = {"specversion": "1.0", "type": "session.end", "source": source}
    fields.attributes["id"] = event.id or ""
    fields["id"] = blake2b(f"{source}\0{event.id}".encode(), digest_size=16).hexdigest()
    if event.occurred_at is not None:
        fields["occurred_at"] = event.occurred_at.isoformat()
    labels = bytes(event.labels)
    fields["labels"] = msgspec.json.decode(labels) if labels else None
    return fields
