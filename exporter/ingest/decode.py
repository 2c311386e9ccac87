"""Bytes to events. A fast path for bodies with nothing unusual in them, `careful` for all others.

The fast path decodes into `Event` in one C call. That would let a duplicate key pass (the last one wins), so
it counts the keys of the text: when there are exactly as many as fields were filled, none is there twice,
none is unknown and nothing is nested. Anything else is decoded again, carefully.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from exporter.errors import NothingValid, Rejected, TooManyEvents, Unparseable
from exporter.ingest import careful, cloudevents
from exporter.ingest.careful import Parsed
from exporter.ingest.event import Columns, Decoded, Event, Rejection
from exporter.ingest.media import Media

_SMALL: Final = 2048
"""Bytes from which on numpy's passes over a body beat those of `bytes` (measured: 13 µs of overhead)."""
_LINES: Final = re.compile(rb"\r?\n")


class Decoder:
    """Decodes bodies of every format, at most `max_events` a body and `max_depth` levels deep."""

    def __init__(self, max_events: int, max_depth: int) -> None:
        self._max_events = max_events
        self._max_depth = max_depth
        self._one = msgspec.json.Decoder(Event)
        self._many = msgspec.json.Decoder(list[Event])

    def decode(self, media: Media, body: bytes, headers: dict[bytes, bytes]) -> Decoded:
        """The events of a body. `headers` (lower-case names) matter to CloudEvents in binary mode.

        Raises `Unparseable`, `TooManyEvents` or `NothingValid`; an event that can't be read while
        others can is a rejection.
        """
        if media in (Media.JSON, Media.NDJSON):
            return self._fast(media, body) or self._plain(media, body)
        parsed = careful.parse(body)
        if media is Media.CLOUDEVENT_BINARY:
            envelope = cloudevents.from_headers(headers, parsed.value)
            return self._each(
                self._enveloped, [parsed._replace(value=envelope, depth=parsed.depth + 1)]
            )
        if (media is Media.CLOUDEVENT_BATCH) != isinstance(parsed.value, list):
            raise Unparseable(
                "application/cloudevents-batch+json is an array of CloudEvents, "
                "application/cloudevents+json is one"
            )
        return self._each(self._enveloped, self._items(parsed))

    def _fast(self, media: Media, body: bytes) -> Decoded | None:
        """The events, or None when the body needs a closer look."""
        try:
            if not body.isascii():
                # msgspec does not look inside labels.
                body.decode()
            if media is Media.NDJSON:
                events = self._one.decode_lines(body)
                if not _one_a_line(body, len(events)):
                    return None
            elif body[:1] == b"{":
                events = [self._one.decode(body)]
            else:
                events = self._many.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if not events or len(events) > self._max_events:
            return None
        columns = Columns.of(events)
        return Decoded(columns, len(events)) if _keys(body) == _filled(columns) else None

    def _plain(self, media: Media, body: bytes) -> Decoded:
        if media is Media.JSON:
            return self._each(_event, self._items(careful.parse(body)))
        lines = [line for line in _LINES.split(body) if line.strip()]
        parsed = [_line(line) for line in self._bounded(lines)]
        if all(isinstance(line.value, Unparseable) for line in parsed):
            raise Unparseable(f"no line is JSON; the first one: {parsed[0].value}")
        return self._each(_event, parsed)

    def _items(self, parsed: Parsed) -> list[Parsed]:
        if isinstance(parsed.value, list):
            self._bounded(parsed.value)
        return parsed.items(self._max_depth)

    def _enveloped(self, value: Any) -> tuple[Event, str]:
        return cloudevents.event(value, self._max_depth)

    def _bounded(self, values: list[Any]) -> list[Any]:
        if len(values) > self._max_events:
            raise TooManyEvents(
                f"{len(values)} events: at most {self._max_events} in one request (max_events)"
            )
        if not values:
            raise NothingValid("no event in the body", [])
        return values

    def _each(self, read: Callable[[Any], tuple[Event, str]], items: list[Parsed]) -> Decoded:
        """Events and their sources, as `read` finds them in checked JSON values."""
        events: list[Event] = []
        sources: list[str] = []
        places: list[int] = []
        rejected: list[Rejection] = []
        for place, item in enumerate(items):
            try:
                event, source = read(item.checked(self._max_depth))
            except Rejected as error:
                rejected.append(Rejection(place, error.reason, error.message))
            else:
                events.append(event)
                sources.append(source)
                places.append(place)
        return Decoded(
            Columns.of(events),
            len(items),
            rejected,
            places if rejected else None,
            sources if any(sources) else None,
        )


def _event(value: Any) -> tuple[Event, str]:
    if isinstance(value, Unparseable):
        raise Rejected("invalid_json", value.detail)
    return careful.event(value), ""


def _line(line: bytes) -> Parsed:
    """A line's value, or the reason why it has none."""
    try:
        return careful.parse(line)
    except Unparseable as error:
        return Parsed(error)


def _one_a_line(body: bytes, events: int) -> bool:
    """Whether decoded lines are that: msgspec also takes an event over several, or several in one."""
    body = body.strip()
    ends = body.count(b"\n")
    return ends == events - 1 and ends in (body.count(b"}\n{"), body.count(b"}\r\n{"))


def _filled(columns: Columns) -> int:
    """How many keys a body of these events has when each is there once and none is null or unknown.

    An empty text and a code 0 count as absent: comparing a text with None takes four times as long as asking
    whether it is empty, and a body with one only gets its closer look.
    """
    *fields, labels = columns
    keys = 0
    for column in fields:
        numbers = column is columns.duration_seconds or column is columns.final
        keys += len(column) - column.count(None) if numbers else len(list(filter(None, column)))
    if labels.count(b"") < len(labels):
        for text, count in Counter(labels).items():
            keys += count * (1 + _keys(text)) if text else 0
    return keys


def _keys(text: bytes) -> int:
    """The number of `":` in a JSON text whatever space is between: its keys, and `\\":` inside strings.

    It can be more than the text has keys, never less; -1 when telling is not worth the while.
    """
    if len(text) < _SMALL:
        return text.translate(None, b" \t\r\n").count(b'":')
    characters = np.frombuffer(text, np.uint8)
    colons = characters[1:] == ord(":")
    before = characters[:-1]
    if np.count_nonzero(colons & (before <= ord(" "))):
        return -1
    return int(np.count_nonzero(colons & (before == ord('"'))))
