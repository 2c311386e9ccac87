"""CloudEvents 1.0 over HTTP: structured and batched JSON, and binary mode with `ce-` headers.

The official SDK takes about 20 times as long for an envelope; the tests send envelopes that the SDK writes.
"""

import base64
import re
from typing import Any, Final
from urllib.parse import unquote

from exporter.errors import Rejected, Unparseable, quoted
from exporter.ingest import strict_json
from exporter.ingest.event import Event, FieldMatcher, from_json, parsed_time
from exporter.ingest.strict_json import type_name

_REQUIRED: Final = ("id", "source", "type", "specversion")
_ESCAPED: Final = re.compile(r"\\(.)")


def from_headers(headers: dict[bytes, bytes], data: Any) -> dict[str, Any]:
    """The envelope of an event in binary mode, from its `ce-` headers. Raises `Unparseable`."""
    attributes = {
        name[3:].decode("latin-1"): _attribute(name, value)
        for name, value in headers.items()
        if name.startswith(b"ce-")
    }
    return {**attributes, "data": data}


def event(envelope: Any, matcher: FieldMatcher, max_depth: int) -> tuple[Event, str]:
    """The session-end event in an envelope, and the envelope's source. Raises `Rejected`.

    The envelope's id replaces an `id` in the data; its `time` is used where the data has no `occurred_at`.
    `max_depth` is checked here for base64 data only: the rest was checked before.
    """
    if not isinstance(envelope, dict):
        raise Rejected("not_an_object", f"a CloudEvent is a JSON object, not {type_name(envelope)}")
    for name in _REQUIRED:
        value = envelope.get(name)
        if not isinstance(value, str) or not value:
            raise _invalid(f"{name}: required, a non-empty string")
    if envelope["specversion"] != "1.0":
        raise _invalid(f"specversion: {quoted(envelope['specversion'], 20)} is not '1.0'")
    fields = matcher.match(_data(envelope, max_depth))
    session_end = from_json({**fields, "id": envelope["id"]})
    time = envelope.get("time")
    if session_end.occurred_at is None and time is not None:
        if not isinstance(time, str):
            raise _invalid(f"time: must be a string, not {type_name(time)}")
        session_end.occurred_at = parsed_time("time", time)
    source: str = envelope["source"]
    try:
        source.encode()
    except UnicodeEncodeError:
        raise _invalid("source: contains a lone surrogate") from None
    return session_end, source


def _attribute(name: bytes, value: bytes) -> str:
    """A header's value: unquoted, then percent-decoded once (CloudEvents HTTP binding 1.0.2, 3.1.3.2)."""
    text = value.decode("latin-1")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Unparseable(f"{name.decode('latin-1')}: is not percent-encoded UTF-8") from None


def _data(envelope: dict[str, Any], max_depth: int) -> dict[str, Any]:
    data = envelope.get("data")
    encoded = envelope.get("data_base64")
    if data is None and encoded is not None:
        if not isinstance(encoded, str):
            raise _invalid("data_base64: must be a string")
        try:
            parsed = strict_json.parse(base64.b64decode(encoded, validate=True))
        except (ValueError, Unparseable):
            raise _invalid("data_base64: is not base64 of JSON") from None
        data = parsed.checked(max_depth)
    if not isinstance(data, dict):
        raise _invalid(f"data: must be an event, a JSON object, not {type_name(data)}")
    return data


def _invalid(message: str) -> Rejected:
    return Rejected("invalid_cloudevent", message)
