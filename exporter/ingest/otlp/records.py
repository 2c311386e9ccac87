"""Converts log records to session ends, the same events as those of `/v1/session-ends`."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from math import isnan
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_digest, xxh3_128_hexdigest

from exporter.errors import IGNORED_REASONS, Rejected, TooManyEvents
from exporter.event_fields import PLACEHOLDERS
from exporter.ingest.event import Columns, Decoded, Event, FieldMatcher, Rejection, from_json
from exporter.ingest.otlp.attributes import EVENT, Attributes, NearCode

_NO_EVENT_NAME, _OTHER_EVENT = IGNORED_REASONS
_MAX_ATTRIBUTES: Final = 128
"""Most attributes that are read of a record, scope, resource or body: SDKs keep no more for a record."""
_KEYS: Final = frozenset(("id", "session_id"))
"""A record with one of these fields and a time needs no id from a hash of its content."""
_IDS: Final = ("id", "session_id", "user")
"""Fields whose integers are read as text: the conventions of OpenTelemetry leave the type to the program."""
_MAX_SORTED: Final = 128
"""Most pairs that are encoded one by one: half a million pairs took 0.3 s on the event loop."""
_packed: Final = msgspec.msgpack.Encoder().encode

Fields = dict[str, Any]
Encode = Callable[[Any], bytes]
"""Gives the bytes of a message, the same for equal messages; without the observed time of a record, because
a program that reads a line again changes it."""
Digest = Callable[[], bytes]


@dataclass
class Records:
    """Reads requests of at most `max_records` records; `events` are the names of session ends."""

    attributes: Attributes
    events: frozenset[str]
    max_records: int
    strict_fields: bool = False

    def decode(self, request: Any, encode: Encode) -> tuple[Decoded, Counter[str]]:
        """The session ends of a request, and counts of other records by reason. Raises `TooManyEvents`."""
        self._check_count(request)
        ignored: Counter[str] = Counter()
        ignored_fields, near = FieldMatcher(strict=self.strict_fields), NearCode()
        ends: list[Fields] = []
        places: list[int] = []
        rejected: list[Rejection] = []
        place = -1
        for shared, resource, logs in self._scopes(request, encode):
            scope = _digest_of(logs.scope, encode)
            for record in logs.log_records:
                place += 1
                name = record.event_name
                if name and name not in self.events:
                    ignored[_OTHER_EVENT] += 1
                    continue
                fields = self._fields(record, shared)
                named = fields.pop(EVENT, "")
                if not name and named not in self.events:
                    ignored[_OTHER_EVENT if named else _NO_EVENT_NAME] += 1
                    continue
                try:
                    self._complete(fields, record)
                    # Without a time, two ends may have the same content.
                    if "occurred_at" in fields and _KEYS.isdisjoint(fields):
                        fields["id"] = _content_id(resource, scope, record, encode)
                    if "code" not in fields:
                        ignored_fields.match(self._doubtful(record, near))
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
        """Raises `TooManyEvents`. Resources and scopes count too: an empty one has only two bytes."""
        resources = request.resource_logs
        self._limit(len(resources))
        # Level by level: counting creates an object for each message of a level that passed the limit.
        self._limit(sum(len(resource.scope_logs) for resource in resources))
        scopes = (scope for resource in resources for scope in resource.scope_logs)
        self._limit(sum(len(scope.log_records) for scope in scopes))

    def _limit(self, messages: int) -> None:
        if messages > self.max_records:
            raise TooManyEvents(
                f"{messages} log records, scopes or resources: at most {self.max_records} in one "
                "request (max_events)"
            )

    def _scopes(self, request: Any, encode: Encode) -> Iterator[tuple[Fields, Digest, Any]]:
        """The fields of resource and scope, the digest of the resource, and the scope with its records."""
        for resource_logs in request.resource_logs:
            resource = resource_logs.resource
            outer, digest = self._read(resource.attributes), _digest_of(resource, encode)
            for logs in resource_logs.scope_logs:
                shared = outer | self._read(logs.scope.attributes)
                # A shared id would count one record only; a shared user would make the others repeats. The
                # `phase` of a resource is that of a deployment.
                for name in ("id", "user", "phase"):
                    shared.pop(name, None)
                yield shared, digest, logs

    def _fields(self, record: Any, shared: Fields) -> Fields:
        """The fields of a record: its attributes come before its body, its scope and its resource."""
        fields = self._read(record.attributes)
        if body := _pairs_of(record.body):
            fields = self._read(body) | fields
        return shared | fields if shared else fields

    def _read(self, pairs: Sequence[Any]) -> Fields:
        slots = self.attributes
        fields: Fields = {}
        for pair in pairs[:_MAX_ATTRIBUTES]:
            slot = slots[pair.key]
            if slot is not None:
                value = pair.value
                # Nearly all values are strings or integers: reading both is faster than asking for the kind.
                atom = value.string_value or value.int_value or _plain(value)
                if atom is not None:
                    fields[slot] = atom
        if not slots.fallbacks.keys().isdisjoint(fields):
            for slot, name in slots.fallbacks.items():
                if slot in fields:
                    fields.setdefault(name, fields.pop(slot))
        return fields

    def _doubtful(self, record: Any, near: NearCode) -> Fields:
        """The attributes of a record without a code that may contain it, and `body` for JSON in a text."""
        given = record.attributes[:_MAX_ATTRIBUTES]
        names = [
            pair.key
            for pair in (*given, *_pairs_of(record.body)[:_MAX_ATTRIBUTES])
            if self.attributes[pair.key] is None
            and near[pair.key]
            and (pair.value.string_value or _plain(pair.value))
        ]
        if record.body.string_value.startswith("{"):
            names.append("body")
        return dict.fromkeys(names)

    def _complete(self, fields: Fields, record: Any) -> None:
        """Adds time and labels, makes integers of ids text, drops placeholders. Raises `Rejected`."""
        for name in _IDS:
            value = fields.get(name)
            if type(value) is int:
                fields[name] = str(value)
            elif value in PLACEHOLDERS:
                # Here too, because such a record gets its content as id.
                del fields[name]
        time = record.time_unix_nano
        if time and "occurred_at" not in fields:
            fields["occurred_at"] = _time(time)
        slots = self.attributes.labels
        labels = {name: fields.pop(slot) for slot, name in slots.items() if slot in fields}
        if labels:
            fields["labels"] = msgspec.Raw(msgspec.json.encode(labels))


def _plain(value: Any) -> Any:
    """A value that is not a string. None for a string or no value, () for a type that no field has."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value":
        return None
    if kind == "double_value":
        number: float = value.double_value
        # Parsers of JSON in Go read 4001 as 4001.0, which would send the whole batch through `from_json`.
        # NaN could pass the checks of minimum and maximum, and would make a sum NaN.
        return int(number) if number.is_integer() else () if isnan(number) else number
    return getattr(value, kind) if kind in ("int_value", "bool_value") else ()


def _time(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        raise Rejected("invalid_field", "time_unix_nano: must be in the years 1 to 9999") from None


def _events(ends: list[Fields], places: list[int], rejected: list[Rejection]) -> list[Event]:
    """The events of `ends`; the places of invalid events move from `places` to `rejected`."""
    try:
        return msgspec.convert(ends, list[Event])
    except msgspec.ValidationError:
        pass
    events: list[Event] = []
    kept: list[int] = []
    for fields, place in zip(ends, places, strict=True):
        try:
            events.append(from_json(fields))
            kept.append(place)
        except Rejected as error:
            rejected.append(Rejection(place, error.reason, error.message))
    places[:] = kept
    return events


def _digest_of(message: Any, encode: Encode) -> Digest:
    """The digest of a resource or scope, which is encoded once, for the first record without an id."""
    return cache(partial(_digest, message, encode))


def _digest(message: Any, encode: Encode) -> bytes:
    if len(message.attributes) > _MAX_SORTED:
        return xxh3_128_digest(encode(message))
    # A resource has no name.
    content = (getattr(message, "name", ""), _sorted(message.attributes, encode))
    return xxh3_128_digest(_packed(content))


def _content_id(resource: Digest, scope: Digest, record: Any, encode: Encode) -> str:
    """The id of a record that has none: a hash of resource, scope, name, time, attributes and body."""
    pairs = _pairs_of(record.body)
    content: object
    if len(record.attributes) + len(pairs) > _MAX_SORTED:
        content = encode(record)
    else:
        content = (
            record.event_name,
            str(record.time_unix_nano),
            _sorted(record.attributes, encode),
            _sorted(pairs or [record.body], encode),
        )
    return "otlp:" + xxh3_128_hexdigest(_packed((resource(), scope(), content)))


def _pairs_of(value: Any) -> Sequence[Any]:
    """The pairs of a value that is a map; none of any other value."""
    return value.kvlist_value.values if value.WhichOneof("value") == "kvlist_value" else ()


def _sorted(messages: Sequence[Any], encode: Encode) -> list[bytes]:
    """The messages' bytes, sorted: a program that reads a line again may order its keys in another way."""
    return sorted(map(encode, messages))
