"""Content-Type: the body format that a request declares."""

from enum import Enum, auto
from functools import lru_cache
from typing import Final

from exporter.errors import WrongMediaType


class Media(Enum):
    """A body format of the contract."""

    JSON = auto()
    NDJSON = auto()
    CLOUDEVENT = auto()
    CLOUDEVENT_BATCH = auto()
    CLOUDEVENT_BINARY = auto()


_TYPES: Final = {
    "application/json": Media.JSON,
    "application/x-ndjson": Media.NDJSON,
    "application/cloudevents+json": Media.CLOUDEVENT,
    "application/cloudevents-batch+json": Media.CLOUDEVENT_BATCH,
}
_TYPE_NAMES: Final = tuple(_TYPES)
CE_HEADERS: Final = frozenset((b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"))
"""Required attributes of a CloudEvent. Any of them makes a JSON body one in binary mode: without its id an
event would be counted again on a retry."""


def media(content_type: bytes, *, cloudevent_headers: bool) -> Media:
    """The body format of a Content-Type; `cloudevent_headers`: one of `CE_HEADERS` was sent.

    Raises `WrongMediaType`, for a missing Content-Type too: a guess would count bodies that were meant for
    another service.
    """
    declared = _TYPES[media_type(content_type, _TYPE_NAMES)]
    if cloudevent_headers and declared is Media.JSON:
        return Media.CLOUDEVENT_BINARY
    return declared


@lru_cache(maxsize=256)
def media_type(content_type: bytes, allowed: tuple[str, ...]) -> str:
    """The type of a Content-Type, without parameters. Raises `WrongMediaType`."""
    name, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    if name not in allowed:
        declared = f"Content-Type {name[:80]!r}" if content_type else "no Content-Type"
        raise WrongMediaType(f"{declared}: it must be one of {', '.join(allowed)}")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8", "us-ascii"):
            raise WrongMediaType(f"charset {value[:40]!r}: JSON is UTF-8")
    return name
