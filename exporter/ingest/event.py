"""A session-end event as a sender wrote it: fields checked for type, not yet for meaning."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from exporter.errors import Rejected, quoted
from exporter.event_fields import FIELDS, PLACEHOLDERS, field_named, nearest_field

T = TypeVar("T", bound=msgspec.Struct)
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 requires an offset; without an offset the same text means another instant on another machine."""

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
_IDS: Final = ("id", "session_id", "user")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TYPES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "datetime": "an RFC 3339 time",
    "object": "an object",
    "array": "an array",
}
"""The names of types in msgspec's errors, in words."""
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

    def match(self, event: Any) -> dict[str, Any]:
        """The fields of a parsed JSON value under their own names. Raises `Rejected`.

        Two keys of one field are an error.
        """
        if not isinstance(event, dict):
            raise Rejected("not_an_object", "an event is a JSON object")
        fields: dict[str, Any] = {}
        for key, value in event.items():
            # Most keys are exact names, and matching them took two thirds of the time of a request.
            name = key if key in _FIELDS else field_named(key, beacon=self.beacon)
            if name is None:
                self._ignore(key)
            elif name in fields:
                raise Rejected("duplicate_key", f"{quoted(key)} is the second key of {name}")
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


def from_json(value: dict[str, Any]) -> Event:
    """The event with these fields; null and "" count as absent, as do ids and users in `PLACEHOLDERS`.

    `occurred_at` may also be a datetime, `labels` also a JSON text. Raises `Rejected`, which names field and
    rule.
    """
    if value.get("system") in (None, ""):
        raise Rejected("missing_system", "system: required, the name of a loaded taxonomy")
    fields, code = dict(value), value.get("code")
    if isinstance(code, float) and code.is_integer():
        # Programs write an integer column with empty cells as decimals: 4001.0.
        fields["code"] = int(code)
    for name in _IDS:
        text = fields.get(name)
        if isinstance(text, str) and text in PLACEHOLDERS:
            del fields[name]
    fields["labels"] = _labels(fields.get("labels"))
    return converted(fields, Event)


def converted(fields: dict[str, Any], kind: type[T], reason: str = "invalid_field") -> T:
    """The struct with these fields; null and "" count as absent. Raises `Rejected`."""
    given = {}
    for name in kind.__struct_fields__:
        value = fields.get(name)
        if value is not None and value != "":
            if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
                raise Rejected(reason, f"{name}: contains a lone surrogate")
            given[name] = value
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text, _, field = str(error).partition(" - at `$.")
        # Such as "Expected `int | str | null`, got `bool`".
        text = text.replace(" | null", "").replace(" | ", "` or `")
        text = text.replace("Expected", "must be").replace(", got", ", not")
        rule = re.sub(r"`(\w+)`", lambda name: _TYPES.get(name[1], name[0]), text)
        raise Rejected(reason, f"{field[:-1]}: {rule}" if field else rule) from None


def label_object(value: Any) -> dict[str, Any]:
    """The object in a parsed `labels`; null and "" are empty. Raises `Rejected`."""
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Rejected("invalid_field", "labels: must be an object")
    if len(value) > MAX_LABELS:
        raise Rejected("invalid_label", f"labels: {len(value)} names, at most {MAX_LABELS}")
    return value


def _labels(value: Any) -> msgspec.Raw:
    if isinstance(value, msgspec.Raw):
        return value
    # A label is a string. Any other value becomes the empty value of its type, because json writes 1e999 as
    # Infinity, which is not JSON: an ignored label cost the event.
    labels = {
        name: text if isinstance(text, str) else type(text)()
        for name, text in label_object(value).items()
    }
    return msgspec.Raw(_encode(labels).encode())
