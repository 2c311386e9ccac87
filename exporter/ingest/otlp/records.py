"""Log records to session ends: the same events that the other ways in decode to."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

from exporter.errors import Rejected, TooManyEvents
from exporter.event_fields import nearest_field
from exporter.ingest.event import Columns, Decoded, Event, Rejection, from_json
from exporter.ingest.ignored_fields import IgnoredFields
from exporter.ingest.otlp.attributes import EVENT, Attributes

OTHER_EVENT: Final = "other_event"
NO_EVENT_NAME: Final = "no_event_name"
_MAX_ATTRIBUTES: Final = 128
"""Attributes that are read of a record, scope, resource or body: SDKs keep no more of a record."""
_MAX_NAMES: Final = 100
"""Names of a request that are compared with `code`: senders choose them, and a comparison takes 50 µs."""

_MAP: Final = "kvlist_value"
_packed: Final = msgspec.msgpack.Encoder().encode

Encode = Callable[[Any], bytes]
Origin = Callable[[], tuple[Any, ...]]
"""What a record's id is made of besides its content: its resource and scope."""
Fields = dict[str, Any]


@dataclass
class Records:
    """Reads requests of at most `max_records` records; `events` are the names of session ends."""

    attributes: Attributes
    events: frozenset[str]
    max_records: int
    strict_fields: bool = False

    def __post_init__(self) -> None:
        self._fallbacks = self.attributes.fallbacks.keys()

    def decode(self, request: Any, encode: Encode) -> tuple[Decoded, Counter[str]]:
        """The session ends of a request, and the numbers of other records by reason.

        `request` is a message in either form; `encode` gives the bytes of a message. Raises `TooManyEvents`.
        """
        self._check_count(request)
        ignored: Counter[str] = Counter()
        ignored_fields, near = IgnoredFields(strict=self.strict_fields), _NearCode(self.attributes)
        ends: list[Fields] = []
        places: list[int] = []
        rejected: list[Rejection] = []
        place = -1
        for shared, scope_logs, origin in self._scopes(request, encode):
            for record in scope_logs.log_records:
                place += 1
                name = record.event_name
                if name and name not in self.events:
                    ignored[OTHER_EVENT] += 1
                    continue
                fields = self._fields(record, shared)
                named = fields.pop(EVENT, "")
                if not name and named not in self.events:
                    ignored[OTHER_EVENT if named else NO_EVENT_NAME] += 1
                    continue
                try:
                    self._complete(fields, record, origin, encode)
                    if "code" not in fields:
                        ignored_fields.match(
                            dict.fromkeys(filter(near.__getitem__, _names(record)))
                        )
                except Rejected as error:
                    rejected.append(Rejection(place, error.reason, error.message))
                else:
                    ends.append(fields)
                    places.append(place)
        total = len(ends) + len(rejected)
        events = Columns.of(_events(ends, places, rejected))
        rejected.sort(key=lambda rejection: rejection.index)
        return Decoded(events, total, rejected, places, ignored=ignored_fields), ignored

    def _check_count(self, request: Any) -> None:
        """Raises `TooManyEvents`. Messages around the records count: empty ones have two bytes each."""
        scopes = [scope for resource in request.resource_logs for scope in resource.scope_logs]
        records = sum(len(scope.log_records) for scope in scopes)
        most = max(len(request.resource_logs), len(scopes), records)
        if most > self.max_records:
            raise TooManyEvents(
                f"{most} log records, scopes or resources: at most {self.max_records} in one request "
                "(max_events)"
            )

    def _scopes(self, request: Any, encode: Encode) -> Iterator[tuple[Fields, Any, Origin]]:
        """Each scope's records, with the fields of resource and scope."""
        for resource_logs in request.resource_logs:
            resource = resource_logs.resource
            outer = self._read(resource.attributes)
            for scope_logs in resource_logs.scope_logs:
                scope = scope_logs.scope
                shared = outer | self._read(scope.attributes)
                # One id for all records would count one of them.
                shared.pop("id", None)

                def origin(resource: Any = resource, scope: Any = scope) -> tuple[Any, ...]:
                    attributes = _sorted(scope.attributes, encode)
                    return _sorted(resource.attributes, encode), scope.name, attributes

                yield shared, scope_logs, origin

    def _fields(self, record: Any, shared: Fields) -> Fields:
        """The fields of a record: its attributes come before its body, its scope and its resource."""
        fields = self._read(record.attributes)
        body = record.body
        if body.WhichOneof("value") == _MAP:
            fields = self._read(body.kvlist_value.values) | fields
        return shared | fields if shared else fields

    def _read(self, pairs: Sequence[Any]) -> Fields:
        slots = self.attributes
        fields: Fields = {}
        for pair in pairs[:_MAX_ATTRIBUTES]:
            slot = slots[pair.key]
            if slot is not None:
                value = pair.value
                # Two kinds of nearly all values, each quicker read than the kind.
                atom = value.string_value or value.int_value or _plain(value)
                if atom is not None:
                    fields[slot] = atom
        if not self._fallbacks.isdisjoint(fields):
            for slot, name in slots.fallbacks.items():
                if slot in fields:
                    fields.setdefault(name, fields.pop(slot))
        return fields

    def _complete(self, fields: Fields, record: Any, origin: Origin, encode: Encode) -> None:
        """Adds time, labels, and an id where there is none. Raises `Rejected`."""
        time = record.time_unix_nano
        if time and "occurred_at" not in fields:
            fields["occurred_at"] = _time(time)
        if self.attributes.labels:
            self._add_labels(fields)
        # Without a time, two ends may have the same content; with a session, the contract has a key.
        if "id" not in fields and "occurred_at" in fields and "session_id" not in fields:
            attributes = _sorted(record.attributes, encode)
            body = _sorted(_map(record.body) or [record.body], encode)
            content = _packed((*origin(), str(time), attributes, body))
            fields["id"] = "otlp:" + xxh3_128_hexdigest(content)

    def _add_labels(self, fields: Fields) -> None:
        slots = self.attributes.labels
        labels = {slot.partition(".")[2]: fields.pop(slot) for slot in slots if slot in fields}
        if labels:
            fields["labels"] = msgspec.Raw(msgspec.json.encode(labels))


class _NearCode(dict[str, bool]):
    """Whether an attribute that means nothing is probably a code, for the first names of a request."""

    def __init__(self, attributes: Attributes) -> None:
        super().__init__()
        self._attributes = attributes

    def __missing__(self, name: str) -> bool:
        if len(self) >= _MAX_NAMES:
            return False
        # `code.function.name` and its like are places in a program.
        near = nearest_field(name) == "code" and not name.startswith("code.")
        self[name] = near and self._attributes[name] is None
        return self[name]


def _names(record: Any) -> list[str]:
    pairs = (*record.attributes[:_MAX_ATTRIBUTES], *_map(record.body)[:_MAX_ATTRIBUTES])
    return [pair.key for pair in pairs]


def _map(body: Any) -> Sequence[Any]:
    """The pairs of a body that is a map."""
    pairs: Sequence[Any] = ()
    if body.WhichOneof("value") == _MAP:
        pairs = body.kvlist_value.values
    return pairs


def _plain(value: Any) -> Any:
    """A value that is no text, None for none; () for values that no field has."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value":
        return None
    if kind == "double_value":
        number: float = value.double_value
        # Parsers of JSON in Go read 4001 as 4001.0. NaN passes every comparison, and would spoil a sum.
        return int(number) if number.is_integer() else () if isnan(number) else number
    return getattr(value, kind) if kind in ("int_value", "bool_value") else ()


def _sorted(messages: Iterable[Any], encode: Encode) -> list[bytes]:
    """The messages' bytes, sorted: a program that reads a line again may order its keys in another way."""
    return sorted(map(encode, messages))


def _time(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        raise Rejected("invalid_field", "time_unix_nano: is later than a clock can be") from None


def _events(ends: list[Fields], places: list[int], rejected: list[Rejection]) -> list[Event]:
    """The events of their fields; `places` keeps those of valid events, `rejected` gets the others."""
    try:
        return msgspec.convert(ends, list[Event])
    except msgspec.ValidationError:
        pass
    events: list[Event] = []
    kept: list[int] = []
    for fields, place in zip(ends, places, strict=True):
        try:
            events.append(_event(fields))
            kept.append(place)
        except Rejected as error:
            rejected.append(Rejection(place, error.reason, error.message))
    places[:] = kept
    return events


def _event(fields: Fields) -> Event:
    """An event of fields that may have another type. Raises `Rejected`."""
    time, labels = fields.get("occurred_at"), fields.pop("labels", None)
    if isinstance(time, datetime):
        del fields["occurred_at"]
    event = from_json(fields)
    if isinstance(time, datetime):
        event.occurred_at = time
    if labels is not None:
        event.labels = labels
    return event
