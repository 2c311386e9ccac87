"""A session-end event as a sender wrote it: fields checked for type, not yet for meaning."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from exporter.errors import Rejected, quoted
from exporter.event_fields import FIELDS, PLACEHOLDERS, field_named, nearest_field
from exporter.ingest.strict_json import type_name

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 requires an offset; without an offset the same text means another instant on another machine."""

_TIME_FORMAT: Final = "an RFC 3339 time with an offset, such as 2026-11-20T19:00:00Z"
MAX_DURATION: Final = 366 * 86400
"""Seconds, a year: two durations of 1e308 made the exported sum infinite forever."""
MAX_USER: Final = 256
"""Characters of a user's id."""
MAX_LABELS: Final = 64
"""Names in an event's labels: parsing and hashing 85,000 names took 0.1 s of the event loop."""
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Compact: senders mostly write the same text, and the classifier remembers labels by their text."""
_NO_LABELS: Final = msgspec.Raw()
_FIELDS: Final = frozenset(FIELDS)
_MAX_NAMES: Final = 10
_MAX_CHARS: Final = 64


class Event(msgspec.Struct, gc=False):
    """The fields of an event. Null counts as absent; unknown fields are dropped.

    `labels` is the JSON text of the labels object: most events repeat one of a few texts.
    """

    system: str
    code: str | int | None = None
    id: str | None = None
    session_id: str | None = None
    occurred_at: Time | None = None
    duration_seconds: float | None = None
    phase: str | None = None
    final: bool | None = None
    user: Annotated[str, msgspec.Meta(max_length=MAX_USER)] | None = None
    labels: msgspec.Raw = _NO_LABELS


class Columns(NamedTuple):
    """Events as columns: for each field a sequence with a value per event, over which C loops run."""

    system: Sequence[str]
    code: Sequence[str | int | None]
    id: Sequence[str | None]
    session_id: Sequence[str | None]
    occurred_at: Sequence[datetime | None]
    duration_seconds: Sequence[float | None]
    phase: Sequence[str | None]
    final: Sequence[bool | None]
    user: Sequence[str | None]
    labels: Sequence[bytes]

    @classmethod
    def of(cls, events: Sequence[msgspec.Struct], names: Sequence[str] = ()) -> "Columns":
        """The events, which have the fields `names`; without `names`, all fields."""
        columns: dict[str, tuple[Any, ...]] = {
            name: tuple(map(attrgetter(name), events)) for name in names or cls._fields
        }
        labels = columns.get("labels", ())
        # Events without labels share one default object, and `tuple.count` compares identities first.
        if labels.count(_NO_LABELS) < len(labels):
            columns["labels"] = tuple(map(bytes, labels))
        else:
            columns["labels"] = (b"",) * len(events)
        absent = (None,) * len(events)
        return cls(*(columns.get(name, absent) for name in cls._fields))

    def only(self, places: Sequence[int]) -> "Columns":
        """The events at these places."""
        return Columns(*([column[place] for place in places] for column in self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that is not counted, by its place in the request; `message` names field and rule."""

    index: int
    reason: str
    message: str


@dataclass
class FieldMatcher:
    """Matches the keys of a request's events to fields, and counts the keys that match none.

    `count` is the number of all keys without a field. `names` has the first 10 different keys, cut to 64
    characters, each with its nearest field. With `strict`, an event with such a key is rejected, and the key
    is not counted. A `beacon` has further fields.
    """

    strict: bool = False
    beacon: bool = False
    count: int = 0
    names: dict[str, str | None] = field(default_factory=dict)

    def match(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event's fields under their own names. Raises `Rejected` for two keys of one field."""
        fields: dict[str, Any] = {}
        for key, value in event.items():
            # Most keys are exact names, and matching them took two thirds of the time of a request.
            name = key if key in _FIELDS else field_named(key, beacon=self.beacon)
            if name is None:
                self._ignore(key)
            elif name in fields:
                first = next(
                    other for other in event if field_named(other, beacon=self.beacon) == name
                )
                raise Rejected(
                    "duplicate_key", f"{quoted(first)} and {quoted(key)} both mean {name}"
                )
            else:
                fields[name] = value
        return fields

    def _ignore(self, key: str) -> None:
        if key not in self.names and len(self.names) < _MAX_NAMES:
            # A key may contain a lone surrogate, which UTF-8 can't encode.
            name = key[:_MAX_CHARS].encode("utf-8", "replace").decode()
            self.names[name] = nearest_field(name)
        if self.strict:
            nearest = self.names.get(key)
            hint = f"; the nearest field is {nearest}" if nearest else ""
            raise Rejected("unknown_field", f"{quoted(key)} is not a field (strict_fields){hint}")
        self.count += 1


@dataclass(slots=True)
class Decoded:
    """A request's events.

    `total` counts the events that were sent. `places` are the places of `events` in the request,
    None when all are valid; `sources` are their CloudEvents sources, None without any.
    `relative_time`: times were computed from ages, so they differ a little in each retry. `ignored`: keys
    that mean no field; None if the keys were not checked.
    """

    events: Columns
    total: int
    rejected: list[Rejection] = field(default_factory=list)
    places: Sequence[int] | None = None
    sources: Sequence[str] | None = None
    relative_time: bool = False
    ignored: FieldMatcher | None = None


def from_json(value: Any) -> Event:
    """The event in a parsed JSON value; null and "" count as absent, as do ids and users in `PLACEHOLDERS`.

    `occurred_at` may also be a datetime, `labels` also a JSON text. Raises `Rejected`, which names field and
    rule.
    """
    if not isinstance(value, dict):
        raise Rejected("not_an_object", f"an event is a JSON object, not {type_name(value)}")
    if value.get("system") in (None, ""):
        raise Rejected("missing_system", "system: required, the name of a loaded taxonomy")
    code, final = value.get("code"), value.get("final")
    if isinstance(code, float) and code.is_integer():
        # Programs write an integer column with empty cells as decimals: 4001.0.
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, str | int | None):
        raise wrong_type("code", "a string or an integer", code)
    if not isinstance(final, bool | None) and final != "":
        raise wrong_type("final", "true or false", final)
    at = value.get("occurred_at")
    if isinstance(at, str):
        at = checked_text("occurred_at", at)
    elif not isinstance(at, datetime | None):
        raise wrong_type("occurred_at", _TIME_FORMAT, at)
    user = _id("user", value)
    if user is not None and len(user) > MAX_USER:
        raise Rejected("invalid_field", f"user: must be at most {MAX_USER} characters")
    return Event(
        system=checked_text("system", value["system"]) or "",
        code=checked_text("code", code) if isinstance(code, str) else code,
        id=_id("id", value),
        session_id=_id("session_id", value),
        occurred_at=parsed_time("occurred_at", at) if isinstance(at, str) else at,
        duration_seconds=checked_number("duration_seconds", value.get("duration_seconds")),
        phase=checked_text("phase", value.get("phase")),
        final=None if final == "" else final,
        user=user,
        labels=_labels(value.get("labels")),
    )


def _id(name: str, value: dict[str, Any]) -> str | None:
    text = checked_text(name, value.get(name))
    return None if text in PLACEHOLDERS else text


def wrong_type(name: str, allowed: str, value: Any) -> Rejected:
    """The rejection of a field whose value has the wrong type."""
    return Rejected("invalid_field", f"{name}: must be {allowed}, not {type_name(value)}")


def checked_text(name: str, value: Any) -> str | None:
    """A field's text, None for "". Raises `Rejected` for another type and for invalid Unicode."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Rejected("invalid_field", f"{name}: contains a lone surrogate") from None
    return value


def checked_number(name: str, value: Any) -> float | None:
    """A field's number, which may be infinite; None for "". Raises `Rejected` for another type."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise Rejected("invalid_field", f"{name}: must be finite") from None


def parsed_time(name: str, value: str) -> datetime:
    """An RFC 3339 timestamp with its offset. Raises `Rejected`."""
    try:
        return msgspec.convert(value, Time)
    except (msgspec.ValidationError, UnicodeEncodeError):
        # A lone surrogate makes msgspec raise UnicodeEncodeError.
        raise Rejected(
            "invalid_field", f"{name}: {quoted(value, 40)} is not {_TIME_FORMAT}"
        ) from None


def label_object(value: Any) -> dict[str, Any]:
    """The object in a parsed `labels`; null and "" are empty. Raises `Rejected`."""
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise wrong_type("labels", "an object", value)
    if len(value) > MAX_LABELS:
        raise Rejected("invalid_label", f"labels: {len(value)} names, at most {MAX_LABELS}")
    return value


def _labels(value: Any) -> msgspec.Raw:
    if value is None or value == "":
        return msgspec.Raw()
    if isinstance(value, msgspec.Raw):
        return value
    # A label is a string. Any other value becomes the empty value of its type, because json writes 1e999 as
    # Infinity, which is not JSON: an ignored label cost the event.
    labels = {
        name: text if isinstance(text, str) else type(text)()
        for name, text in label_object(value).items()
    }
    return msgspec.Raw(_encode(labels).encode())
