"""Decoding that says precisely what is wrong with which event; the fast decoder hands over to it.

The standard library's json and not msgspec: it shows duplicate keys, and it lets one event with a lone
surrogate fail alone instead of the whole body.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate
from math import isinf
from typing import Any, Final, NamedTuple, NoReturn

import msgspec
import numpy as np

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
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""A level more or less, as signed bytes."""
_NO_STEPS: Final = bytes(byte for byte in range(256) if byte not in b"[{]}")
_SMALL: Final = 100
"""Steps from which on numpy is faster."""
_BEFORE_ITEM: Final = re.compile(r"[ \t\n\r]*[\[,][ \t\n\r]*")


class Parsed(NamedTuple):
    """A JSON value with what its text shows and the value does not: how many levels its arrays and objects
    are nested, and a key that one of its objects has more than once."""

    value: Any
    depth: int = 0
    duplicate: str | None = None
    text: bytes = b""

    def checked(self, max_depth: int) -> Any:
        """The value. Raises `Rejected` when it has a key twice, or is nested deeper than `max_depth`."""
        if self.depth > max_depth:
            raise Rejected("too_deep", f"nested deeper than {max_depth} levels (max_depth)")
        if self.duplicate is not None:
            raise Rejected("duplicate_key", f"the key {self.duplicate[:80]!r} is there twice")
        return self.value

    def items(self, max_depth: int) -> "list[Parsed]":
        """The items of an array; of any other value, itself.

        Only where the array as a whole would not pass, its items are looked at one by one.
        """
        if not isinstance(self.value, list):
            return [self]
        if self.duplicate is None and self.depth <= max_depth + 1:
            return [Parsed(value) for value in self.value]
        return list(_items(self.text.decode()))


def parse(text: bytes) -> Parsed:
    """A JSON text's value. Raises `Unparseable`."""
    duplicates: list[str] = []
    build = _builder(duplicates)
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=build, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise Unparseable(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Unparseable("nested far too deep") from None
    except json.JSONDecodeError as error:
        raise Unparseable(f"not JSON: {error}") from None
    except ValueError as error:
        # A number of more digits than Python converts (4,300).
        raise Unparseable(f"not JSON: {error}") from None
    return Parsed(value, _depth(text), duplicates[0] if duplicates else None, text)


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


def _items(array: str) -> Iterator[Parsed]:
    """The items of an array that is JSON."""
    duplicates: list[str] = []
    read = json.JSONDecoder(object_pairs_hook=_builder(duplicates)).raw_decode
    end = 0
    while before := _BEFORE_ITEM.match(array, end):
        start = before.end()
        value, end = read(array, start)
        depth = _depth(array[start:end].encode())
        yield Parsed(value, depth, duplicates[0] if duplicates else None)
        duplicates.clear()


def _builder(duplicates: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Makes objects of their pairs; keys that are there twice are added to `duplicates`."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            duplicates.append(_duplicate(pairs))
        return value

    return build


def _duplicate(pairs: list[tuple[str, Any]]) -> str:
    """The first key that is there a second time."""
    seen: set[str] = set()
    return next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _depth(text: bytes) -> int:
    """How many levels a JSON text is nested, in passes over its bytes.

    A walk through the values took a call of Python each: 64 KiB from a browser kept everybody waiting.
    """
    if text.count(b"[") + text.count(b"{") < 2:
        return 1
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = b"".join(unescaped.split(b'"')[::2]).translate(_STEPS, _NO_STEPS)
    if len(steps) < _SMALL:
        return max(accumulate(memoryview(steps).cast("b")), default=0)
    return int(np.frombuffer(steps, np.int8).cumsum(dtype=np.int32).max())


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
