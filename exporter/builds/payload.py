"""A webhook's body, read strictly: what is needed to count an event once, and no more."""

from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from exporter.builds.events import EVENTS, SYSTEM
from exporter.errors import Rejected, Unparseable

_encode = msgspec.msgpack.Encoder().encode
_SEED: Final = xxh3_64_intdigest(f"{SYSTEM}\0webhook".encode())
"""Keeps these keys apart from those of session ends."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Payload(msgspec.Struct):
    """The fields that are read. `uploadId` is null for what has no build, such as the test."""

    event: str
    projectId: _Id  # noqa: N815 (the vendor's spelling)
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    uploadId: _Id | None = None  # noqa: N815


class Build(NamedTuple):
    """One event; `at` is when it happened, Unix seconds, `key` what makes a delivery a repeated one."""

    event: str
    at: float
    key: bytes


_decoder: Final = msgspec.json.Decoder(_Payload)


def read(body: bytes) -> Build:
    """The event of a body. Raises `Unparseable`, or `Rejected` with the field and its rule.

    The time is a part of the key: a build that is distributed a second time, to go back to it, is a
    second event of the same upload.
    """
    try:
        body.decode()
        payload = _decoder.decode(body)
    except msgspec.ValidationError as error:
        reason = "invalid_field" if body.lstrip().startswith(b"{") else "not_an_object"
        raise Rejected(reason, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f"not JSON: {str(error)[:200]}") from None
    if payload.event not in EVENTS:
        raise Rejected(
            "invalid_field",
            f"event: {payload.event[:80]!r} is not one of {', '.join(EVENTS)}",
        )
    at = payload.timestamp.timestamp()
    parts = (payload.event, payload.projectId, payload.uploadId, at)
    return Build(payload.event, at, xxh3_128_digest(_encode(parts), _SEED))
