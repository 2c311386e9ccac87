"""OTLP/JSON: the messages of a logs request, with the attribute names of opentelemetry-proto.

protobuf's own JSON parser is written in Python and takes many times as long.
"""

import json
import re
from typing import Any, Final

import msgspec

from exporter.errors import Unparseable
from exporter.names import INGEST_PATH


class Value(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """An `AnyValue`. Integers may be written as strings."""

    string_value: str = ""
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    array_value: "Values | None" = None
    kvlist_value: "Pairs | None" = None
    bytes_value: str | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802
        """The name of the field that is set, as in protobuf; None for a string, which is read without it."""
        names = self.__struct_fields__[1:]
        return next((name for name in names if getattr(self, name) is not None), None)


class Values(msgspec.Struct, frozen=True):
    values: list[Value] = []


class Pair(msgspec.Struct, frozen=True, omit_defaults=True):
    key: str = ""
    value: Value = Value()


class Pairs(msgspec.Struct, frozen=True):
    values: list[Pair] = []


class Record(msgspec.Struct, rename="camel", frozen=True):
    time_unix_nano: int = 0
    event_name: str = ""
    attributes: list[Pair] = []
    body: Value = Value()


class Scope(msgspec.Struct, frozen=True):
    name: str = ""
    version: str = ""
    attributes: list[Pair] = []


class ScopeLogs(msgspec.Struct, rename="camel", frozen=True):
    scope: Scope = Scope()
    log_records: list[Record] = []


class Resource(msgspec.Struct, frozen=True):
    attributes: list[Pair] = []


class ResourceLogs(msgspec.Struct, rename="camel", frozen=True):
    resource: Resource = Resource()
    scope_logs: list[ScopeLogs] = []


class Request(msgspec.Struct, rename="camel", frozen=True):
    resource_logs: list[ResourceLogs] = []


_decoder: Final = msgspec.json.Decoder(Request, strict=False)
encode: Final = msgspec.json.Encoder().encode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse(body: bytes) -> Request:
    """The request in a body. Raises `Unparseable`."""
    try:
        if not body.isascii():
            # msgspec does not validate text that it skips.
            body.decode()
        try:
            request = _decoder.decode(body)
        except msgspec.DecodeError:
            request = _decoder.decode(_normalized(body))
    except RecursionError:
        raise Unparseable("nested too deep to be parsed") from None
    except ValueError as error:
        raise Unparseable(f"not an OTLP logs request as JSON: {error}") from None
    # An object that is not empty has a quote.
    if not request.resource_logs and b'"' in body and b'"resourceLogs"' not in body:
        raise Unparseable(
            "not an OTLP logs request as JSON: the object has no `resourceLogs`; an event without this "
            f"envelope is sent to POST {INGEST_PATH}"
        )
    return request


def _normalized(body: bytes) -> bytes:
    """The JSON with U+FFFD for lone surrogates and without null fields: msgspec refuses the whole request."""
    # JavaScript writes a lone surrogate when it cuts a text inside an emoji. In ProtoJSON, null is a field's
    # default. A body that is not JSON is returned unchanged, so that msgspec's error names its byte.
    try:
        request = json.loads(body.decode(), object_hook=_without_nulls)
        text = json.dumps(request, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return body
    return _SURROGATE.sub("\ufffd", text).encode()


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
