"""Decodes bodies: a fast path for plain bodies, the strict JSON parser for all others."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from exporter.errors import NothingValid, Rejected, TooManyEvents, Unparseable
from exporter.ingest import cloudevents, plain, strict_json
from exporter.ingest.event import Columns, Decoded, Event, FieldMatcher, Rejection, from_json
from exporter.ingest.guard import Media
from exporter.ingest.strict_json import Parsed

_OF_EVENTS: Final = (Media.JSON, Media.NDJSON)
_LINES: Final = re.compile(rb"\r?\n")


@dataclass(frozen=True)
class Decoder:
    """Decodes bodies of every format, at most `max_events` a body and `max_depth` levels deep.

    `strict_fields`: an event with an unknown field is rejected.
    """

    max_events: int
    max_depth: int
    strict_fields: bool = False

    def decode(self, media: Media, body: bytes, headers: dict[bytes, bytes]) -> Decoded:
        """The events of a body. `headers` (lower-case names) matter to CloudEvents in binary mode.

        An unreadable event among readable events is a rejection. Raises `Unparseable`,
        `TooManyEvents` or `NothingValid`.
        """
        # PowerShell and spreadsheets write this mark in front of JSON; RFC 8259 8.1 allows ignoring it.
        body = body.removeprefix(BOM_UTF8)
        decoded = self.decode_plain(media, body)
        if decoded is not None:
            return decoded
        if media in _OF_EVENTS:
            return self._decode_strict(media, body)
        parsed = strict_json.parse(body)
        if media is Media.CLOUDEVENT_BINARY:
            envelope = cloudevents.from_headers(headers, parsed.value)
            items = [parsed._replace(value=envelope, depth=parsed.depth + 1)]
        else:
            items = self._items(parsed)
        matcher = FieldMatcher(strict=self.strict_fields)
        return decode_items(items, cloudevents.event, self.max_depth, matcher)

    def decode_plain(self, media: Media, body: bytes) -> Decoded | None:
        """The events of a plain body, which takes little time; None for any other body."""
        if media not in _OF_EVENTS:
            return None
        try:
            if not body.isascii():
                # msgspec does not validate the UTF-8 of labels, which stay raw.
                body.decode()
            columns = plain.decode(media, body, self.max_events)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return Decoded(columns, len(columns.system)) if columns is not None else None

    def _decode_strict(self, media: Media, body: bytes) -> Decoded:
        matcher = FieldMatcher(strict=self.strict_fields)
        if media is Media.JSON:
            items = self._items(strict_json.parse(body))
            return decode_items(items, _event, self.max_depth, matcher)
        lines = [line for line in _LINES.split(body) if line.strip()]
        check_count(lines, self.max_events, "request (max_events)")
        parsed = [_parse_line(line) for line in lines]
        if all(isinstance(line.value, Unparseable) for line in parsed):
            raise Unparseable(f"no line is JSON; first line: {parsed[0].value}")
        return decode_items(parsed, _event, self.max_depth, matcher)

    def _items(self, parsed: Parsed) -> list[Parsed]:
        check_count(parsed.value, self.max_events, "request (max_events)")
        return parsed.items(self.max_depth)


def check_count(value: Any, max_events: int, scope: str) -> None:
    """Raises `TooManyEvents` for an array of more than `max_events`, `NothingValid` for an empty array."""
    if isinstance(value, list) and len(value) > max_events:
        raise TooManyEvents(f"{len(value)} events: at most {max_events} in one {scope}")
    if value == []:
        raise NothingValid("no event in the body", [])


def decode_items(
    items: list[Parsed],
    read: Callable[[Any, FieldMatcher], tuple[Event, str]],
    max_depth: int,
    matcher: FieldMatcher,
) -> Decoded:
    """The events and sources that `read` returns for the values, with `matcher`."""
    events: list[Event] = []
    sources: list[str] = []
    places: list[int] = []
    rejected: list[Rejection] = []
    for place, item in enumerate(items):
        try:
            event, source = read(item.checked(max_depth), matcher)
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
        ignored=matcher,
    )


def _event(value: Any, matcher: FieldMatcher) -> tuple[Event, str]:
    if isinstance(value, Unparseable):
        raise Rejected("invalid_json", value.detail)
    return from_json(matcher.match(value)), ""


def _parse_line(line: bytes) -> Parsed:
    """The value of a line; for a line that is not JSON, the `Unparseable`."""
    try:
        return strict_json.parse(line)
    except Unparseable as error:
        return Parsed(error)
