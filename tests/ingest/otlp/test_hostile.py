"""Hostile OTLP requests: no 5xx, no broken batch, and /metrics parses. FAULTS=full runs more of them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.metrics.collector import LedgerCollector
from exporter.metrics.exposition import render
from exporter.names import LOGS_PATH
from exporter.taxonomy.model import Taxonomy
from tests.faults.fuzz import ShownLedger
from tests.ingest.listener import JSON, LABELS, Listener
from tests.ingest.otlp.messages import END, PROTOBUF, TIME, as_json, record, request

FULL = os.environ.get("FAULTS") == "full"
many = settings(
    max_examples=2_000 if FULL else 50,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
)

TEXT = st.text(max_size=20) | st.sampled_from(("", "a\x00b", "\u202e", "\n# EOF", "x" * 200))
ATOM = (
    st.sampled_from((*END.values(), True, 0, -(2**63), 2**63 - 1, 1e308, float("nan"), b"\xff"))
    | st.floats()
    | TEXT
)
VALUE = st.recursive(
    ATOM,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    (
        *("system", "code", "log.record.uid", "id", "session.id", "occurred_at", "Session-Id"),
        *("duration_seconds", "phase", "final", "region", "project", "event.name", "error_code"),
    )
)
ATTRIBUTES = st.dictionaries(NAMES | TEXT, VALUE, max_size=8)
RECORDS = st.builds(
    record,
    ATTRIBUTES.map(lambda attributes: {**END, **attributes}) | ATTRIBUTES,
    name=st.sampled_from(("session.end", "session.end", "", "x")),
    time=st.sampled_from((0, 1, TIME, TIME + 10**15, 2**64 - 1)),
    body=VALUE,
)
REQUESTS = st.builds(
    lambda records, resource: request(*records, resource=resource),
    st.lists(RECORDS, max_size=5),
    ATTRIBUTES,
)


@contextmanager
def attacked(taxonomy: Taxonomy) -> Iterator[Listener]:
    """A listener whose ledger shows its totals; /metrics parses in the end."""
    ledger = ShownLedger()
    yield Listener(taxonomy, ledger)
    registry = CollectorRegistry()
    registry.register(LedgerCollector(LABELS, ledger))
    text, _ = render(registry, "application/openmetrics-text")
    assert len(list(text_string_to_metric_families(text.decode()))) >= 4


@pytest.fixture(scope="module")
def target(taxonomy: Taxonomy) -> Iterator[Listener]:
    """One listener for all examples, so that /metrics also shows the texts of earlier examples."""
    with attacked(taxonomy) as listener:
        yield listener


def status(listener: Listener, body: bytes, headers: dict[bytes, bytes]) -> int:
    return listener.post(body, headers, path=LOGS_PATH).status


@many
@given(message=REQUESTS)
def test_any_attributes_are_counted_ignored_or_rejected(target: Listener, message: Any) -> None:
    assert status(target, message.SerializeToString(), PROTOBUF) == 200
    assert status(target, json.dumps(as_json(message)).encode(), JSON) == 200


@many
@given(message=REQUESTS, data=st.data())
def test_damaged_request_is_answered(target: Listener, message: Any, data: st.DataObject) -> None:
    for headers, text in (
        (PROTOBUF, message.SerializeToString()),
        (JSON, json.dumps(as_json(message)).encode()),
    ):
        body = bytearray(text)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(body)))
            piece = data.draw(st.binary(max_size=6))
            body[at : at + data.draw(st.integers(0, 6))] = piece
        assert status(target, bytes(body), headers) in (200, 400, 413)


def raw_field(number: int, data: bytes) -> bytes:
    length_and_data = AnyValue(bytes_value=data).SerializeToString()[1:]
    return bytes((number << 3 | 2,)) + length_and_data


def nested(depth: int) -> bytes:
    """An attribute with a value in that many lists."""
    inner = raw_field(1, b"x")
    for _ in range(depth):
        inner = raw_field(5, raw_field(1, inner))
    return raw_field(1, b"a") + raw_field(2, inner)


def in_request(attribute: bytes) -> bytes:
    """A request of one record that contains the bytes of an attribute."""
    body = raw_field(6, attribute) + raw_field(12, b"session.end")
    for number in (2, 2, 1):
        body = raw_field(number, body)
    return body


DECLARED = b"\x80\x80\x80\x80\x04"
"""The length 1 GiB as a varint."""
DEEP = 30_000
VALUE_OPENED = b'{"arrayValue":{"values":['
JSON_HEAD = (
    b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"session.end","attributes":['
)
HOSTILE: dict[str, tuple[dict[bytes, bytes], bytes, int]] = {
    "deep attribute": (PROTOBUF, in_request(nested(40)), 200),
    "deeper attribute": (PROTOBUF, in_request(nested(60)), 400),
    "deep JSON": (JSON, JSON_HEAD + b'{"key":"a","value":' + VALUE_OPENED * DEEP, 400),
    "deep unknown field": (JSON, b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
    "huge map": (
        PROTOBUF,
        request(
            record({}, body=AnyValue(kvlist_value={"values": [KeyValue()] * 500_000}))
        ).SerializeToString(),
        200,
    ),
    "many attributes": (
        PROTOBUF,
        request(
            LogRecord(event_name="session.end", attributes=[KeyValue()] * 500_000)
        ).SerializeToString(),
        200,
    ),
    "many empty scopes": (PROTOBUF, raw_field(1, b"\x12\x00" * 500_000), 413),
    "many empty records": (PROTOBUF, raw_field(1, raw_field(2, b"\x12\x00" * 500_000)), 413),
    "invalid UTF-8": (PROTOBUF, in_request(raw_field(1, b"\xff\xfe")), 400),
    "invalid UTF-8 in JSON": (JSON, b'{"x":"\xff"}', 400),
    "lone surrogate": (JSON, JSON_HEAD + rb'{"key":"\ud800"}]}]}]}]}', 200),
    "deep JSON after null": (JSON, b'{"resourceLogs":null,"x":' + b"[" * DEEP, 400),
    "long number": (JSON, JSON_HEAD[:-14] + b'"timeUnixNano":"' + b"9" * 99999 + b'"}]}]}]}', 400),
    "declared field": (PROTOBUF, b"\x0a" + DECLARED, 400),
    "declared text": (PROTOBUF, in_request(b"\x0a" + DECLARED), 400),
}
"""Headers, body, and the status of its answer."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_request_counts_nothing(taxonomy: Taxonomy, name: str) -> None:
    headers, body, expected = HOSTILE[name]
    assert len(body) < 1.1 * 1024**2
    with attacked(taxonomy) as listener:
        assert status(listener, body, headers) == expected
        assert listener.value("accepted_events_total") == 0
