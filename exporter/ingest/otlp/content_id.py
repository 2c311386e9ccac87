"""The id of a record that has none: a hash of its resource, scope, time, attributes and body."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

MAP: Final = "kvlist_value"
"""The kind of a value that is a map."""
_packed: Final = msgspec.msgpack.Encoder().encode

Encode = Callable[[Any], bytes]
"""Gives the bytes of a message, the same for equal messages."""


def content_id(resource: Any, scope: Any, record: Any, encode: Encode) -> str:
    """The observed time is no part of it: a program that reads a line again changes it."""
    parts = (
        _sorted(resource.attributes, encode),
        scope.name,
        _sorted(scope.attributes, encode),
        str(record.time_unix_nano),
        _sorted(record.attributes, encode),
        _sorted(pairs_of(record.body) or [record.body], encode),
    )
    return "otlp:" + xxh3_128_hexdigest(_packed(parts))


def pairs_of(value: Any) -> Sequence[Any]:
    """The pairs of a value that is a map; none of any other value."""
    pairs: Sequence[Any] = ()
    if value.WhichOneof("value") == MAP:
        pairs = value.kvlist_value.values
    return pairs


def _sorted(messages: Iterable[Any], encode: Encode) -> list[bytes]:
    """The messages' bytes, sorted: a program that reads a line again may order its keys in another way."""
    return sorted(map(encode, messages))
