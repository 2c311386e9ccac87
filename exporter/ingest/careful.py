"""Decoding that says precisely what is wrong with which event; the fast decoder hands over to it.

The standard library's json and not msgspec: it reports duplicate keys, and it lets one event with a lone
surrogate fail alone instead of the whole body.
"""

import json
from datetime import datetime
from math import isinf
from typing import Any, Final, NoReturn

import msgspec

from exporter.errors import Rejected, Unparseable
from exporter.ingest.event import Event, Time

_TEXTS: Final = ("system", "id", "session_id", "phase")
_KINDS: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
}


class _Duplicated(dict[str, Any]):
    """An object that has the key `duplicate` more than once."""

    duplicate: str


def parse(text: bytes | str) -> Any:
    """A JSON value; objects with duplicate keys are marked for `check`. Raises `Unparseable`."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise Unparseable(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Unparseable("nested far too deep") from None
    except json.JSONDecodeError as error:
        raise Unparseable(f"not JSON: {error}") from None
    except ValueError as error:
        # A number of more digits than Python converts (4,300).
        raise Unparseable(f"not JSON: {error}") from None


def check(value: Any, max_depth: int, depth: int = 1) -> None:
    """Raises `Rejected` when an object inside has a key twice, or is nested deeper than `max_depth`."""
    if depth > max_depth:
        raise Rejected("too_deep", f"nested deeper than {max_depth} levels (max_depth)")
    if isinstance(value, dict):
        if isinstance(value, _Duplicated):
            raise Rejected("duplicate_key", f"the key {value.duplicate[:80]!r} is there twice")
        for inner in value.values():
            if isinstance(inner, dict | list):
                check(inner, max_depth, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                check(inner, max_depth, depth + 1)


def event(value: Any) -> Event:
    """A checked JSON value as an event. Raises `Rejected`, naming field and rule."""
    if not isinstance(value, dict):
        raise Rejected("not_an_object", f"an event is a JSON object, not {kind(value)}")
    if value.get("system") is None:
        raise Rejected("missing_system", "system: required, the name of a loaded taxonomy")
    for name in _TEXTS:
        _text(name, value.get(name))
    code = value.get("code")
    if isinstance(code, bool) or not isinstance(code, str | int | None):
        raise Rejected("invalid_field", f"code: must be a string or an integer, not {kind(code)}")
    _text("code", code if isinstance(code, str) else None)
    final = value.get("final")
    if not isinstance(final, bool | None):
        raise Rejected("invalid_field", f"final: must be true or false, not {kind(final)}")
    return Event(
        system=value["system"],
        code=code,
        id=value.get("id"),
        session_id=value.get("session_id"),
        occurred_at=_time(value.get("occurred_at")),
        duration_seconds=_number(value.get("duration_seconds")),
        phase=value.get("phase"),
        final=final,
        labels=_labels(value.get("labels")),
    )


def kind(value: Any) -> str:
    """A JSON value's type in words."""
    if value is None:
        return "null"
    return _KINDS.get(type(value), "an object")


def time(name: str, value: str) -> datetime:
    """An RFC 3339 timestamp with its offset."""
    try:
        return msgspec.convert(value, Time)
    except (msgspec.ValidationError, UnicodeEncodeError):
        # Half of a surrogate pair is no UTF-8, and msgspec wants UTF-8: it was answered 500.
        raise Rejected(
            "invalid_field",
            f"{name}: {value[:40]!r} is not an RFC 3339 time with an offset, such as "
            "2026-11-20T19:00:00Z",
        ) from None


def _text(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise Rejected("invalid_field", f"{name}: must be a string, not {kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Rejected("invalid_field", f"{name}: has half of a surrogate pair") from None


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    _text("occurred_at", value)
    return time("occurred_at", value)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("invalid_field", f"duration_seconds: must be a number, not {kind(value)}")
    try:
        return float(value)
    except OverflowError:
        raise Rejected("invalid_field", "duration_seconds: must be finite") from None


def _labels(value: Any) -> msgspec.Raw:
    if value is None:
        return msgspec.Raw()
    if not isinstance(value, dict):
        raise Rejected("invalid_field", f"labels: must be an object, not {kind(value)}")
    text = json.dumps(value)
    if "Infinity" in text:
        # 1e999 is JSON, and what json makes of it is not: an unknown label cost the event.
        text = json.dumps(_finite(value))
    return msgspec.Raw(text.encode())


def _finite(value: Any) -> Any:
    """The value with 0 for infinite numbers: no label is a number, so it does not matter which."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return 0 if isinstance(value, float) and isinf(value) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    marked = _Duplicated(found)
    marked.duplicate = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return marked


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
