"""The id of a record that has none: a hash of its resource, scope, event name, time, attributes and body."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_digest, xxh3_128_hexdigest

_MAX_SORTED: Final = 128
"""Most pairs that are encoded one by one: half a million pairs took 0.3 s on the event loop."""
_packed: Final = msgspec.msgpack.Encoder().encode

Encode = Callable[[Any], bytes]
"""Gives the bytes of a message, the same for equal messages; without the observed time of a record, because
a program that reads a line again changes it."""
Digest = Callable[[], bytes]


def digest_of(message: Any, encode: Encode) -> Digest:
    """The digest of a resource or scope, which is encoded once, for the first record without an id."""
    return cache(partial(_digest, message, encode))


def _digest(message: Any, encode: Encode) -> bytes:
    if len(message.attributes) > _MAX_SORTED:
        return xxh3_128_digest(encode(message))
    # A resource has no name.
    content = (getattr(message, "name", ""), _sorted(message.attributes, encode))
    return xxh3_128_digest(_packed(content))


def content_id(resource: Digest, scope: Digest, record: Any, encode: Encode) -> str:
    """The id of a record of a scope and resource."""
    pairs = pairs_of(record.body)
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


def pairs_of(value: Any) -> Sequence[Any]:
    """The pairs of a value that is a map; none of any other value."""
    return value.kvlist_value.values if value.WhichOneof("value") == "kvlist_value" else ()


def _sorted(messages: Sequence[Any], encode: Encode) -> list[bytes]:
    """The messages' bytes, sorted: a program that reads a line again may order its keys in another way."""
    return sorted(map(encode, messages))
