"""Decoders for bodies whose events all have the same fields, as in most batches.

The decoder of a shape refuses an event that lacks a field of the shape, has another field, or has null or ""
as a value. So a decoded event has exactly these fields, and no column has to be searched for absent values.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from exporter.ingest.event import MAX_USER, Columns, Time

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
_FIRST_BYTES: Final = 2048
_END: Final = re.compile(rb"}\s*(?:[{\]]|,\s*{|\Z)")
"""The end of an event that is followed by another event or by the end of the array or body.

The pattern matches a run of spaces in one way only: with two ways, 2,000 spaces took 6 ms of the event loop.
"""
_FIELD: Final = re.compile(rb'"(%s)"\s*:\s*("?)' % "|".join(Columns._fields).encode())


class Shape:
    """The fields `names` of events; `text_code` is whether their code is a string.

    `quotes` is the number of `"` of each event, without the text of its labels. `array` decodes an array of
    events, `single` one event.
    """

    def __init__(self, names: Sequence[str], *, text_code: bool) -> None:
        types = _TYPES | ({"code": _Text} if text_code else {})
        event = msgspec.defstruct(
            "Event", [(name, types[name]) for name in names], forbid_unknown_fields=True, gc=False
        )
        self.array: Final = msgspec.json.Decoder(list[event])  # type: ignore[valid-type]
        self.single: Final = msgspec.json.Decoder(event)
        # Not counted in the text, where a label may have the name of a field.
        self.quotes: Final = sum(2 if types[name] in _WITHOUT_QUOTES else 4 for name in names)
        self.names: Final = names


def shape_of(body: bytes) -> Shape | None:
    """The shape of the first event of a plain body; None if the end of the event is not found.

    The shape may be wrong: only decoding shows that an event has the shape.
    """
    end = _END.search(body, 0, _FIRST_BYTES)
    if end is None:
        return None
    return _shape(frozenset(_FIELD.findall(body, 0, end.start())))


@lru_cache(maxsize=64)
def _shape(keys: frozenset[tuple[bytes, bytes]]) -> Shape | None:
    fields = {name.decode() for name, _ in keys}
    if "system" not in fields:
        return None
    names = [name for name in Columns._fields if name in fields]
    return Shape(names, text_code=(b"code", b'"') in keys)
