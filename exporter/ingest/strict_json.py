"""A JSON parser that reports mistakes of single values: duplicate keys, depth, lone surrogates.

It uses the standard library's parser. The parser of msgspec hides duplicate keys, and refuses a whole body
for a lone surrogate in one event.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from exporter.errors import Rejected, Unparseable, quoted

_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""One level down or up, as signed bytes."""
_NO_STEPS: Final = bytes(byte for byte in range(256) if byte not in b"[{]}")
_MAX_BRACKETS: Final = 100_000
"""Most `[` and `{` in a text. 500,000 nested arrays in 1 MB held the interpreter lock for 40 ms."""
_NUMPY_FROM: Final = 100
"""Brackets from which on numpy is faster."""
_BEFORE_ITEM: Final = re.compile(r"[ \t\n\r]*[\[,][ \t\n\r]*")


class Parsed(NamedTuple):
    """A JSON value, the depth of its nesting, and a key that one of its objects has twice.

    `text` is the JSON text of an array, from which its items can be parsed again.
    """

    value: Any
    depth: int = 0
    duplicate: str | None = None
    text: bytes = b""

    def checked(self, max_depth: int) -> Any:
        """The value. Raises `Rejected` for a duplicate key or more than `max_depth` levels."""
        if self.depth > max_depth:
            raise Rejected("too_deep", f"nested deeper than {max_depth} levels (max_depth)")
        if self.duplicate is not None:
            raise Rejected("duplicate_key", f"duplicate key {quoted(self.duplicate)}")
        return self.value

    def items(self, max_depth: int) -> "list[Parsed]":
        """The items of an array; any other value is its own only item."""
        if not isinstance(self.value, list):
            return [self]
        # Items are parsed one by one only where the array as a whole would not pass.
        if self.duplicate is None and self.depth <= max_depth + 1:
            return [Parsed(value) for value in self.value]
        return list(_items(self.text.decode()))


def parse(text: bytes) -> Parsed:
    """The value of a JSON text. Raises `Unparseable`, also for a text with too many brackets."""
    duplicates: list[str] = []
    build = partial(_object, duplicates)
    if text.count(b"[") + text.count(b"{") > _MAX_BRACKETS:
        raise Unparseable(f"more than {_MAX_BRACKETS:,} arrays and objects")
    try:
        value = json.loads(text.decode(), object_pairs_hook=build, parse_constant=_refuse_constant)
    except RecursionError:
        raise Unparseable("nested too deep to be parsed") from None
    except ValueError as error:
        # Bad syntax, bad UTF-8, or a number of more digits than Python converts (4,300).
        raise Unparseable(f"not JSON: {error}") from None
    return Parsed(value, _depth(text), duplicates[0] if duplicates else None, text)


def _items(array: str) -> Iterator[Parsed]:
    """The items of a valid JSON array."""
    duplicates: list[str] = []
    read = json.JSONDecoder(object_pairs_hook=partial(_object, duplicates)).raw_decode
    end = 0
    while before := _BEFORE_ITEM.match(array, end):
        start = before.end()
        value, end = read(array, start)
        depth = _depth(array[start:end].encode())
        yield Parsed(value, depth, duplicates[0] if duplicates else None)
        duplicates.clear()


def _object(duplicates: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; adds its duplicate key, if any, to `duplicates`."""
    value = dict(pairs)
    if len(value) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        duplicates.append(key)
    return value


def _depth(text: bytes) -> int:
    """The nesting depth of a JSON text, computed from its brackets."""
    # A recursive walk would need a call for each value: 64 KiB from a browser delayed all other senders.
    if text.count(b"[") + text.count(b"{") < 2:
        return 1
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = b"".join(unescaped.split(b'"')[::2]).translate(_STEPS, _NO_STEPS)
    if len(steps) < _NUMPY_FROM:
        return max(accumulate(memoryview(steps).cast("b")), default=0)
    return int(np.frombuffer(steps, np.int8).cumsum(dtype=np.int32).max())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
