"""OTLP/JSON that msgspec refuses although protobuf, or the JSON of JavaScript, allows it."""

import json
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exporter.errors import Unparseable
from exporter.ingest.otlp.json_form import Request, parse
from tests.ingest.otlp.messages import as_json


def resource_logs(content: Any) -> bytes:
    return json.dumps({"resourceLogs": [content]}).encode()


def of_record(**fields: Any) -> bytes:
    return resource_logs({"scopeLogs": [{"logRecords": [fields]}]})


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceLogs":null}',
        resource_logs({"resource": None, "scopeLogs": None}),
        resource_logs({"resource": {"attributes": None}, "scopeLogs": [{"logRecords": None}]}),
        resource_logs({"scopeLogs": [{"scope": None, "logRecords": [{}]}]}),
        resource_logs({"scopeLogs": [{"scope": {"name": None, "attributes": None}}]}),
        of_record(timeUnixNano=None, eventName=None, attributes=None, body=None),
        of_record(attributes=[{"key": None, "value": None}, {"key": "a"}]),
        of_record(body={"stringValue": None}),
        of_record(body={"stringValue": None, "intValue": "5"}),
        of_record(body={"kvlistValue": {"values": None}}),
        of_record(eventName="null", attributes=[{"key": "null"}], body=None),
    ],
)
def test_null_is_the_default_of_a_field(body: bytes) -> None:
    message = as_json(Parse(body, ExportLogsServiceRequest()))
    assert parse(body) == parse(json.dumps(message).encode())


@pytest.mark.parametrize(
    "body",
    [b'{"system":"softdrive","code":"01"}', b'{"resource_logs":[{}]}', b'{"resourceSpans":[]}'],
)
def test_object_that_is_no_logs_request_is_unparseable(body: bytes) -> None:
    """Fails without the check: an event that was sent to the wrong path was answered 200 and not counted."""
    with pytest.raises(Unparseable, match=r"no `resourceLogs`; .* POST /v1/session-ends"):
        parse(body)
    assert parse(b"{}") == parse(b' { "resourceLogs" : [] } ') == Request()


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"hi \ud83d", "hi \ufffd"),
        (r"\uDE00\uD83D", "\ufffd\ufffd"),
        (r"\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        (r"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
        (r"é \" \n \ud83d", 'é " \n \ufffd'),
    ],
    ids=ascii,
)
def test_lone_surrogate_is_replaced(escaped: str, text: str) -> None:
    body = of_record(eventName="…").replace(rb"\u2026", escaped.encode())
    ((record,),) = (scope.log_records for scope in parse(body).resource_logs[0].scope_logs)
    assert record.event_name == text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"resourceLogs":null', "Expected `array`, got `null` - at `$.resourceLogs`"),
        (b'{"resourceLogs":[null]}', "Expected `object`, got `null` - at `$.resourceLogs[0]`"),
        (b'{"resourceLogs":null,"x":1e999}', "Expected `array`, got `null` - at `$.resourceLogs`"),
        (b'{"x":NaN}', "JSON is malformed: invalid character (byte 5)"),
        (b'{"x":"\\ud83d",}', "Input data was truncated"),
        (b"{", "Input data was truncated"),
        (b"null", "Expected `object`, got `null`"),
        ('{"resourceLogs":null}'.encode("utf-16-le"), "JSON is malformed: "),
        (b'\xef\xbb\xbf{"resourceLogs":null}', "JSON is malformed: invalid character (byte 0)"),
        # The null is not the mistake.
        (
            resource_logs({"resource": None, "scopeLogs": 5}),
            "Expected `array`, got `int` - at `$.resourceLogs[0].scopeLogs`",
        ),
    ],
)
def test_other_mistake_is_named(body: bytes, message: str) -> None:
    with pytest.raises(Unparseable) as caught:
        parse(body)
    assert caught.value.detail.startswith(f"not an OTLP logs request as JSON: {message}")
