"""OTLP/protobuf, imported at the first protobuf request: the import would slow down the start."""

from typing import cast

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exporter.errors import Unparseable


def parse(body: bytes) -> ExportLogsServiceRequest:
    """The request in a body. Raises `Unparseable`, also for more than 100 levels of nesting."""
    try:
        return cast("ExportLogsServiceRequest", ExportLogsServiceRequest.FromString(body))
    except DecodeError as error:
        raise Unparseable(f"not an OTLP logs request as protobuf: {error}") from None


def encode(message: Message) -> bytes:
    """The same bytes for equal messages. Clears the observed time of a record, which nothing else reads."""
    if isinstance(message, LogRecord):
        message.ClearField("observed_time_unix_nano")
    return cast("bytes", message.SerializeToString(deterministic=True))
