"""The fast path for plain bodies: JSON whose keys are fields of events, each at most once in an event.

msgspec decodes all events in one C call, but accepts a duplicate key (the last value wins) and drops an
unknown key. So the number of `"` in the text is compared with the number that the decoded fields need. Each
key and each string has two: with a further key or string, the text has more.

In most batches all events have the same fields: the shape of the batch. The decoder of a shape refuses an
event that lacks a field of the shape, has another field, or has null or "" as a value. So no column has to
be searched for absent values.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import astuple

from exporter.event_fields import PLACEHOLDERS
from exporter.ingest.event import MAX_USER, Columns, Event, Time
from exporter.ingest.guard import LARGE, Media

_NUMPY_FROM: Final = 4096
"""Bytes from which on numpy counts faster than `bytes.count`."""
_PART: Final = 64 * 1024
"""Bytes compared at a time. The allocator returns larger arrays to the kernel, and getting their pages again
took longer than the comparison."""
_QUOTES: Final = {NoneType: 0, bool: 2, int: 2, float: 2, str: 4, datetime: 4}
"""The number of `"` of a field by the type of its value: two of the key, and two of a string value."""
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_TYPES: Final[dict[str, Any]] = {
    "system": _Text,
    "code": int,
    "id": _Text,
    "session_id": _Text,
    "occurred_at": Time,
    "duration_seconds": float,
    "phase": _Text,
    "final": bool,
    "user": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_USER)],
    "labels": msgspec.Raw,
}
_WITHOUT_QUOTES: Final = (int, float, bool, msgspec.Raw)
"""Types of values that are not a string in JSON, or whose quotes are counted separately."""
_LABELS: Final = 64
"""Bytes of an event's labels up to which they take little time."""
_LONG_LABELS, _BRACKETS = 512, 8
"""Bytes and brackets of an event's labels from which on they take long."""
_FIRST_BYTES: Final = 2048
_END: Final = re.compile(rb"}\s*(?:[{\]]|,\s*{|\Z)")
"""The end of an event that is followed by another event or by the end of the array or body.

The pattern matches a run of spaces in one way only: with two ways, 2,000 spaces took 6 ms of the event loop.
"""
_FIELD: Final = re.compile(rb'"(%s)"\s*:\s*("?)' % "|".join(Columns._fields).encode())


class Shape(NamedTuple):
    """The fields `names` of all events of a body; `array` decodes an array of events, `single` one event.

    `quotes` is the number of `"` of each event, without the text of its labels.
    """

    names: Sequence[str]
    array: "msgspec.json.Decoder[list[Any]]"
    single: "msgspec.json.Decoder[Any]"
    quotes: int


_ANY: Final = Shape(
    Columns._fields, msgspec.json.Decoder(list[Event]), msgspec.json.Decoder(Event), 0
)
"""Events with any fields. Their quotes are counted from the columns."""


def decode(media: Media, body: bytes, max_events: int) -> Columns | None:
    """The events of a plain body; None for another body. Raises as msgspec does."""
    if body[:1] == b"{" and media is Media.JSON and len(body) <= LARGE:
        # Without lists: the latency of a single event matters most.
        values = event_values(body)
        return Columns._make(zip((*values[:-1], bytes(values[-1])))) if values else None
    shape = shape_of(body)
    if shape is not None:
        with suppress(msgspec.ValidationError):
            return _decode_batch(media, body, max_events, shape)
    return _decode_batch(media, body, max_events, _ANY)


def event_values(body: bytes) -> tuple[Any, ...] | None:
    """The values of the fields of a plain event; None for another text. Raises as msgspec does."""
    event = _ANY.single.decode(body)
    values = astuple(event)
    ids = event.id, event.session_id, event.user
    if count(body) != _quotes_of(values) or not PLACEHOLDERS.isdisjoint(ids):
        return None
    return values


def _decode_batch(media: Media, body: bytes, max_events: int, shape: Shape) -> Columns | None:
    if media is Media.JSON:
        events = shape.array.decode(body)
    else:
        events = shape.single.decode_lines(body)
        if not _one_event_a_line(body, len(events)):
            return None
    if not 0 < len(events) <= max_events:
        return None
    columns = Columns.of(events, shape.names)
    # The strict parser reads them as absent.
    if not all(map(PLACEHOLDERS.isdisjoint, (columns.id, columns.session_id, columns.user))):
        return None
    labels = b"".join(columns.labels)
    if len(labels) > _LABELS * len(events) and _take_long(labels, len(events)):
        return None
    quotes = _quotes_of_any(columns) if shape is _ANY else shape.quotes * len(events)
    return columns if count(body) == quotes + count(labels) else None


def _take_long(labels: bytes, events: int) -> bool:
    """Whether the labels of a body are too long or too nested for the classifier, on the event loop."""
    # A megabyte of nested labels took 80 ms. The strict parser drops them, in a thread.
    brackets = labels.count(b"{") + labels.count(b"[")
    return len(labels) > _LONG_LABELS * events or brackets > _BRACKETS * events


def _one_event_a_line(body: bytes, events: int) -> bool:
    """False for an event on several lines and for several events on one line: msgspec accepts both."""
    body = body.strip()
    ends = body.count(b"\n")
    return ends == events - 1 and ends in (body.count(b"}\n{"), body.count(b"}\r\n{"))


def _quotes_of(values: Sequence[Any]) -> int:
    """The number of `"` of a plain text with this event, given in the order of its fields."""
    # An empty text counts as absent, which sends the body to the strict parser.
    *fields, labels = values
    texts = bytes(labels)
    keys = sum(map(_QUOTES.__getitem__, map(type, fields))) - 4 * fields.count("")
    return keys + (2 + count(texts) if texts else 0)


def _quotes_of_any(events: Columns) -> int:
    """The number of `"` of a plain text with these events, without the text of their labels."""
    # An empty text and a code 0 count as absent: comparing with None takes four times as long.
    systems, codes, ids, sessions, times, durations, phases, finals, users, labels = events
    codes = list(filter(None, codes))
    keys = len(codes) + len(labels) - labels.count(b"")
    keys += sum(len(column) - column.count(None) for column in (durations, finals))
    strings = list(map(type, codes)).count(str)
    for column in (systems, ids, sessions, times, phases, users):
        filled = len(list(filter(None, column)))
        keys += filled
        strings += filled
    return 2 * (keys + strings)


def count(text: bytes) -> int:
    """The number of `"` in a text."""
    if len(text) < _NUMPY_FROM:
        return text.count(b'"')
    characters = np.frombuffer(text, np.uint8)
    parts = (characters[start : start + _PART] for start in range(0, len(text), _PART))
    return sum(int(np.count_nonzero(part == ord('"'))) for part in parts)


def shape_of(body: bytes) -> Shape | None:
    """The shape of the first event of a plain body, which may be wrong; None if it has no end."""
    end = _END.search(body, 0, _FIRST_BYTES)
    if end is None:
        return None
    return _shape(frozenset(_FIELD.findall(body, 0, end.start())))


@lru_cache(maxsize=64)
def _shape(keys: frozenset[tuple[bytes, bytes]]) -> Shape | None:
    """The shape with these keys, each with the `"` of a value that is a string."""
    fields = {name.decode() for name, _ in keys}
    if "system" not in fields:
        return None
    names = [name for name in Columns._fields if name in fields]
    types = _TYPES | ({"code": _Text} if (b"code", b'"') in keys else {})
    event: Any = msgspec.defstruct(
        "Event", [(name, types[name]) for name in names], forbid_unknown_fields=True, gc=False
    )
    # Not counted in the text, where a label may have the name of a field.
    quotes = sum(2 if types[name] in _WITHOUT_QUOTES else 4 for name in names)
    return Shape(names, msgspec.json.Decoder(list[event]), msgspec.json.Decoder(event), quotes)
