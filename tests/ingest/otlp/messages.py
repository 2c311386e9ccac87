"""OTLP requests, as an SDK or a forwarder writes them."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.ingest.listener import NOW

PROTOBUF = {b"content-type": b"application/x-protobuf"}
TIME = int(NOW.timestamp()) * 10**9
END: dict[str, Any] = {"system": "streampixel", "code": 4001}
"""The attributes of a session end that has no id."""


def value(plain: Any) -> AnyValue:
    if isinstance(plain, AnyValue):
        return plain
    if isinstance(plain, dict):
        return AnyValue(kvlist_value={"values": pairs(plain)})
    if isinstance(plain, list):
        return AnyValue(array_value={"values": [value(item) for item in plain]})
    kinds = {str: "string", bool: "bool", int: "int", float: "double", bytes: "bytes"}
    return AnyValue(**{f"{kinds[type(plain)]}_value": plain})


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(plain)) for key, plain in attributes.items()]


def record(
    attributes: dict[str, Any] | None = None,
    *,
    name: str = "session.end",
    time: int = TIME,
    body: Any = "a session ended",
    **fields: Any,
) -> LogRecord:
    return LogRecord(
        event_name=name,
        time_unix_nano=time,
        attributes=pairs(END if attributes is None else attributes),
        body=value(body),
        **fields,
    )


def request(
    *records: LogRecord,
    resource: dict[str, Any] | None = None,
    scope: dict[str, Any] | None = None,
) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    logs = message.resource_logs.add()
    logs.resource.attributes.extend(pairs(resource or {}))
    scoped = logs.scope_logs.add()
    scoped.scope.attributes.extend(pairs(scope or {}))
    scoped.log_records.extend(records)
    return message


def as_json(message: ExportLogsServiceRequest) -> Any:
    """The request as OTLP/JSON, without ids of traces, which protobuf writes as base64."""
    return MessageToDict(message)
