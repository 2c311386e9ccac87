"""The body of a webhook request: strict decoding of the fields that identify an event."""

from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from exporter.errors import Rejected, Unparseable
from exporter.streampixel.builds import EVENTS, SYSTEM

_encode = msgspec.msgpack.Encoder().encode
_SEED: Final = xxh3_64_intdigest(f"{SYSTEM}\0webhook".encode())
"""Keeps the ids of build events apart from the ids of session ends."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Payload(msgspec.Struct):
    """`uploadId` is null in an event without a build, such as the test."""

    event: str
    projectId: _Id  # noqa: N815 (Streampixel's spelling)
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    uploadId: _Id | None = None  # noqa: N815


class Build(NamedTuple):
    """A build event: `at` is its Unix time, `key` is equal for repeated deliveries."""

    event: str
    at: float
    key: bytes


_decoder: Final = msgspec.json.Decoder(_Payload)


def decode(body: bytes) -> Build:
    """The event in a body. Raises `Unparseable`, or `Rejected` with the field and its rule.

    The time is part of the key: a rollback distributes the same upload a second time.
    """
    try:
        # msgspec does not check the UTF-8 of fields that it skips.
        body.decode()
        payload = _decoder.decode(body)
    except msgspec.ValidationError as error:
        reason = "invalid_field" if body.lstrip().startswith(b"{") else "not_an_object"
        raise Rejected(reason, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f"not JSON: {str(error)[:200]}") from None
    if payload.event not in EVENTS:
        events = ", ".join(EVENTS)
        raise Rejected("invalid_field", f"event: {payload.event[:80]!r} is not one of {events}")
    at = payload.timestamp.timestamp()
    parts = (payload.event, payload.projectId, payload.uploadId, at)
    return Build(payload.event, at, xxh3_128_digest(_encode(parts), _SEED))
