"""Decoders for bodies whose events all have the same fields, as those of most batches.

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
"""The end of an event that is followed by another one or by the end of the array or body.

Spaces are matched in one way only: with two, a body with 2,000 spaces took 6 ms of the event loop.
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
        # From the types that are decoded: a label with the name of a field shows another type in the text.
        self.quotes: Final = sum(2 if types[name] in _WITHOUT_QUOTES else 4 for name in names)
        self.names: Final = names


def shape_of(body: bytes) -> Shape | None:
    """The shape of the first event of a plain body, None when it is not found.

    It may be wrong: only decoding shows that an event has the shape.
    """
    end = _END.search(body, 0, _FIRST_BYTES)
    if end is None:
        return None
    return _shape(frozenset(_FIELD.findall(body, 0, end.start())))


@lru_cache(maxsize=64)
def _shape(found: frozenset[tuple[bytes, bytes]]) -> Shape | None:
    fields = {name.decode() for name, _ in found}
    if "system" not in fields:
        return None
    names = [name for name in Columns._fields if name in fields]
    return Shape(names, text_code=(b"code", b'"') in found)
