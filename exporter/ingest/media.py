"""Content-Type: the body format that a request declares."""

from enum import Enum, auto
from functools import lru_cache
from typing import Final

from exporter.errors import WrongMediaType, quoted


class Media(Enum):
    """A body format that ingest accepts."""

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
_CE_HEADERS: Final = frozenset((b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"))
"""Required attributes of a CloudEvent. With any of these headers, a JSON body is a CloudEvent in binary mode:
without `ce-id` as the id of its event, a retry would be counted again."""


def media(headers: dict[bytes, bytes]) -> Media:
    """The body format that a request's headers declare.

    Raises `WrongMediaType`, for a missing Content-Type too: a guess would count bodies that were meant for
    another service. Only CloudEvents in binary mode may omit it, as the Python SDK does by default.
    """
    content_type = headers.get(b"content-type", b"")
    if not content_type and b"ce-specversion" in headers:
        return Media.CLOUDEVENT_BINARY
    declared = _TYPES[media_type(content_type, _TYPE_NAMES)]
    if _CE_HEADERS.isdisjoint(headers):
        return declared
    if declared is Media.NDJSON:
        raise WrongMediaType(
            "application/x-ndjson with ce- headers: a CloudEvent in binary mode is one event; send it as "
            "application/json, or several as application/cloudevents-batch+json"
        )
    return Media.CLOUDEVENT_BINARY if declared is Media.JSON else declared


@lru_cache(maxsize=256)
def media_type(content_type: bytes, allowed: tuple[str, ...]) -> str:
    """The type of a Content-Type, without parameters. Raises `WrongMediaType`."""
    name, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    if name not in allowed:
        declared = f"Content-Type {quoted(name)}" if content_type else "no Content-Type"
        raise WrongMediaType(f"{declared}: it must be one of {', '.join(allowed)}")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8", "us-ascii"):
            raise WrongMediaType(f"charset {quoted(value, 40)}: JSON is UTF-8")
    return name
