"""Which of the four body formats a request says it has."""

from enum import Enum, auto
from functools import lru_cache

from exporter.errors import WrongMediaType


class Media(Enum):
    """A body format of the contract."""

    JSON = auto()
    NDJSON = auto()
    CLOUDEVENT = auto()
    CLOUDEVENT_BATCH = auto()
    CLOUDEVENT_BINARY = auto()


_TYPES = {
    "application/json": Media.JSON,
    "application/x-ndjson": Media.NDJSON,
    "application/cloudevents+json": Media.CLOUDEVENT,
    "application/cloudevents-batch+json": Media.CLOUDEVENT_BATCH,
}

CE_HEADERS = frozenset((b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"))
"""Attributes that a CloudEvent must have: whoever sends one of them means binary mode, and is told of the
others instead of being counted without the id."""


@lru_cache(maxsize=256)
def media(content_type: bytes, cloudevent_headers: bool) -> Media:
    """The format of a Content-Type value; `cloudevent_headers` when any of
    `CE_HEADERS` came with it.

    Raises `WrongMediaType` for anything else, a missing one included: guessing a format is how a body
    meant for another service gets counted.
    """
    name, *parameters = content_type.decode("latin-1").lower().split(";")
    found = _TYPES.get(name.strip())
    if found is None:
        what = f"Content-Type {name.strip()[:80]!r}" if content_type else "no Content-Type"
        raise WrongMediaType(f"{what}: it must be one of {', '.join(_TYPES)}")
    for parameter in parameters:
        key, _, value = parameter.strip().partition("=")
        if key.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8", "us-ascii"):
            raise WrongMediaType(f"charset {value[:40]!r}: JSON is UTF-8")
    if cloudevent_headers and found is Media.JSON:
        return Media.CLOUDEVENT_BINARY
    return found
