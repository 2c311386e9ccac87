"""An event as it is sent: known fields in one spelling, and an id that is the same at every run."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from exporter.errors import Rejected
from exporter.send.lines import Found
from exporter.send.occurrences import Occurrences

FIELDS: Final = frozenset(
    (
        "id",
        "system",
        "code",
        "session_id",
        "occurred_at",
        "duration_seconds",
        "phase",
        "final",
        "labels",
    )
)
_CONTENT: Final = tuple(sorted(FIELDS - {"id"}))
_ID: Final = "send1-"
"""Names the recipe: another way to spell a content needs another number here, because the same id
with another payload is a `conflict`."""
_BODY: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII: Final = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """`place` is FILE:LINE, `body` the JSON object in UTF-8, on one line."""

    place: str
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is not sent; `message` names field and rule."""

    place: str
    message: str


def events(
    name: str, records: Iterator[Found], seen: Occurrences, warn: Callable[[str], None]
) -> Iterator[Event | Skipped]:
    """What the input `name` has to send. Labels and systems are the server's to judge.

    `warn` hears once of unknown fields, and once of events that nothing tells apart.
    """
    warned: set[str] = set()
    for line, found in records:
        place = f"{name}:{line}"
        try:
            if isinstance(found, Rejected):
                raise found
            fields = spelled(found)
            _remark(found, fields, warned, warn)
            yield Event(place, *encoded(fields, seen))
        except Rejected as error:
            yield Skipped(place, error.message)


def spelled(record: dict[str, Any]) -> dict[str, Any]:
    """The known fields, in a fixed order and one spelling; null and "" are absent everywhere.

    Raises `Rejected` for a field of the wrong type. The code is a string, because 4001 and "4001"
    mean the same, and `final: true` is absent, because it is the default.
    """
    fields = {name: value for name in sorted(FIELDS) if (value := _value(name, record)) is not None}
    if "system" not in fields:
        raise Rejected("missing_system", "system: required")
    return fields


def encoded(fields: dict[str, Any], seen: Occurrences) -> tuple[str, bytes]:
    """The id and the body of an event that `spelled` gave; raises `Rejected` for half characters."""
    try:
        id = fields.get("id")
        if id is None:
            id = _identity(fields, seen)
        return id, _BODY.encode({**fields, "id": id}).encode("utf-8")
    except UnicodeEncodeError:
        # One \ud800 would make the whole request unparseable.
        raise Rejected("invalid_field", "a string has half a character (a surrogate)") from None


def _identity(fields: dict[str, Any], seen: Occurrences) -> str:
    content = _ASCII.encode([fields.get(name) for name in _CONTENT])
    digest = hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()
    return f"{_ID}{digest.hex()}-{seen.number(digest)}"


def _value(name: str, record: dict[str, Any]) -> Any:
    value = record.get(name)
    if value is None or value == "":
        return None
    if name == "duration_seconds":
        return _duration(value)
    if name == "final":
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false")
        return None if value else False
    if name == "labels":
        return _labels(value)
    if name == "code" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(name, value, "a string or an integer" if name == "code" else "a string")
    if name == "id" and len(value.encode("utf-8", "surrogatepass")) > 128:
        raise _wrong(name, value, "at most 128 bytes")
    return value


def _duration(value: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        seconds = float(value) + 0.0  # -0.0 + 0.0 is 0.0: one content, one spelling
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError
    except (ValueError, OverflowError):
        raise _wrong("duration_seconds", value, "a finite number of at least 0") from None
    return seconds


def _labels(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        raise _wrong("labels", value, "an object")
    for name, text in value.items():
        if text is not None and not isinstance(text, str):
            raise _wrong(f"labels.{name}", text, "a string")
    return {name: value[name] for name in sorted(value) if value[name]} or None


def _wrong(name: str, value: Any, rule: str) -> Rejected:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "[[…"
    return Rejected(
        "invalid_field", f"{name} = {text if len(text) <= 100 else text[:99] + '…'}: {rule}"
    )


def _remark(
    record: dict[str, Any],
    fields: dict[str, Any],
    warned: set[str],
    warn: Callable[[str], None],
) -> None:
    if "unknown" not in warned and not record.keys() <= FIELDS:
        warned.add("unknown")
        names = ", ".join(sorted(name[:100] for name in record.keys() - FIELDS))
        warn(f"fields that events do not have are ignored: {names}")
    if "alike" not in warned and not fields.keys() & {"id", "session_id", "occurred_at"}:
        warned.add("alike")
        warn(
            "events without id, session_id and occurred_at: the same content in another file "
            "counts as the same event"
        )
