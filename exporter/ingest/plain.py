"""Plain bodies: JSON whose keys are fields of events, each at most once in an event.

msgspec accepts a duplicate key (the last value wins) and drops an unknown key. So the number of `"` in the
text is compared with the number that the decoded fields need. Each key and each string has two: with a
further key or string, the text has more.
"""

from collections.abc import Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Final

import numpy as np

from exporter.ingest.event import Columns

_NUMPY_FROM: Final = 4096
"""Bytes from which on numpy counts faster than `bytes.count`."""
_PART: Final = 64 * 1024
"""Bytes compared at a time. The allocator returns larger arrays to the kernel, and getting their pages again
took longer than the comparison."""
_QUOTES: Final = {NoneType: 0, bool: 2, int: 2, float: 2, str: 4, datetime: 4}
"""The number of `"` of a field by the type of its value: two of the key, and two of a string value."""


def has_quotes(body: bytes, quotes: int) -> bool:
    """Whether a body has exactly that many `"`."""
    return count(body) == quotes


def quotes_of(values: Sequence[Any]) -> int:
    """The number of `"` of a plain text with this event, given in the order of its fields.

    An empty text counts as absent, which sends the body to the strict parser.
    """
    *fields, labels = values
    texts = bytes(labels)
    keys = sum(map(_QUOTES.__getitem__, map(type, fields))) - 4 * fields.count("")
    return keys + (2 + count(texts) if texts else 0)


def quotes_of_all(events: Columns) -> int:
    """The number of `"` of a plain text with these events.

    An empty text and a code 0 count as absent: comparing with None takes four times as long as testing for
    truth.
    """
    texts = (
        events.system,
        events.id,
        events.session_id,
        events.occurred_at,
        events.phase,
        events.user,
    )
    numbers = (events.duration_seconds, events.final)
    codes = list(filter(None, events.code))
    keys = len(codes) + len(events.labels) - events.labels.count(b"")
    keys += sum(len(column) - column.count(None) for column in numbers)
    strings = list(map(type, codes)).count(str)
    for column in texts:
        filled = len(list(filter(None, column)))
        keys += filled
        strings += filled
    return 2 * (keys + strings) + count(b"".join(events.labels))


def count(text: bytes) -> int:
    """The number of `"` in a text."""
    if len(text) < _NUMPY_FROM:
        return text.count(b'"')
    characters = np.frombuffer(text, np.uint8)
    parts = (characters[start : start + _PART] for start in range(0, len(text), _PART))
    return sum(int(np.count_nonzero(part == ord('"'))) for part in parts)
