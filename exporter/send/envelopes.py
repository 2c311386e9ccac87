"""Events inside other JSON: CloudEvents, `{"events": […]}`, and Kusto's `{"tables": […]}`."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from exporter.errors import Rejected
from exporter.event_fields import FIELDS
from exporter.ingest import cloudevents
from exporter.ingest.event import FieldMatcher
from exporter.send.field_names import FieldNames, event_of
from exporter.send.records import ARRAYS, Record, as_record


class CloudEvent(dict[str, Any]):
    """The fields of the event in a CloudEvent; its `id` is a hash of the envelope's source and id."""

    attributes: dict[str, str]  # of the envelope; the exporter uses them as the event's key


def fields_of(record: Record, names: FieldNames) -> Record:
    """The fields of an event, which may be the data of a CloudEvent in structured mode."""
    try:
        if not isinstance(record, dict):
            return record
        if unwrapped(record, names) is not None:
            rule = "an object around events, where an event is expected: write an event per line"
            return Rejected("invalid_json", rule)
        return _cloudevent(record, names) if "specversion" in record else names.record(record)
    except Rejected as error:
        return error


def unwrapped(record: Record, names: FieldNames) -> Iterator[Record] | None:
    """The events in an object around an array of events or of tables; None for another record."""
    if not isinstance(record, dict) or "specversion" in record:
        return None
    arrays = [
        key for key, value in record.items() if isinstance(value, list) and key.lower() in ARRAYS
    ]
    if not arrays:
        return None
    keys = names.keys(record)
    if "system" in keys:
        # An event may have lists of its own.
        arrays = [key for key in arrays if any(isinstance(item, dict) for item in record[key])]
        if not arrays or "code" in keys:
            return None
    name, *others = [key for key in arrays if record[key]] or arrays
    if others or "system" in keys:
        rule = f"an event, or an object around the events in `{name}`? Write an event per line"
        return iter([Rejected("invalid_json", rule)])
    if name.lower() == "tables":
        return _rows(record[name], names)
    return (fields_of(as_record(item), names) for item in record[name])


def _rows(tables: list[Any], names: FieldNames) -> Iterator[Record]:
    """The rows of the first table, the result of a Kusto query; further tables describe the query."""
    try:
        rows = tables[0]["rows"]
        if not isinstance(rows, list):
            raise TypeError
        keys = names.header([column["name"] for column in tables[0]["columns"]])
    except Rejected as error:
        yield error
        return
    except (LookupError, AttributeError, TypeError):
        yield Rejected("invalid_json", "`tables` is not the result of a Kusto query")
        return
    for row in rows:
        if not isinstance(row, list) or len(row) != len(keys):
            yield Rejected("invalid_json", f"a row is not an array of {len(keys)} values")
        else:
            yield event_of(zip(keys, row, strict=True))


def _cloudevent(envelope: dict[str, Any], names: FieldNames) -> CloudEvent:
    if isinstance(data := envelope.get("data"), dict):
        envelope = envelope | {"data": names.record(data)}
    event, source = cloudevents.event(envelope, FieldMatcher())
    key = {"source": source, "id": envelope["id"]}
    fields = CloudEvent({name: getattr(event, name) for name in FIELDS})
    fields.attributes = {"specversion": "1.0", "type": "session.end", **key}
    fields["id"] = blake2b("\0".join(key.values()).encode(), digest_size=16).hexdigest()
    if event.occurred_at is not None:
        fields["occurred_at"] = event.occurred_at.isoformat()
    labels = bytes(event.labels)
    fields["labels"] = msgspec.json.decode(labels) if labels else None
    return fields
