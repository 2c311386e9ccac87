"""Every refusal and every rejection has its counter."""

import json
from typing import Any

import pytest

from exporter.errors import REFUSED_REASONS, REJECTED_REASONS
from tests.ingest.events import GOOD_GZIP
from tests.ingest.listener import JSON, NDJSON, Listener, Stream

TOO_LARGE = b'{"system":"' + b"x" * 1024**2 + b'"}'
REFUSALS: list[tuple[str, int, bytes | Stream, dict[bytes, bytes], dict[str, str]]] = [
    ("unparseable", 400, b"{", JSON, {}),
    ("unparseable", 400, b"x", GOOD_GZIP, {}),
    ("not_found", 404, b"{}", JSON, {"path": "/v1/session-end"}),
    ("method_not_allowed", 405, b"", JSON, {"method": "GET"}),
    ("body_too_large", 413, TOO_LARGE, JSON, {}),
    ("body_too_large", 413, b"", {**JSON, b"content-length": b"9999999"}, {}),
    ("too_many_events", 413, b"[" + b"1," * 1000 + b"1]", JSON, {}),
    ("media_type", 415, b"{}", {}, {}),
    ("content_encoding", 415, b"{}", {**JSON, b"content-encoding": b"br"}, {}),
    ("nothing_valid", 422, b"[]", JSON, {}),
]


@pytest.mark.parametrize(("reason", "status", "body", "headers", "request_"), REFUSALS)
def test_a_refusal_counts_once_and_nothing_else_does(
    listener: Listener,
    reason: str,
    status: int,
    body: bytes,
    headers: dict[bytes, bytes],
    request_: dict[str, str],
) -> None:
    answer = listener.post(body, headers, **request_)
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert listener.value("refused_requests_total", reason=reason) == 1
    assert listener.total("refused_requests_total") == 1
    assert listener.value("requests_total", status=str(status)) == 1
    assert listener.logged[-1] == reason
    assert listener.total("accepted_events_total") == 0
    assert not listener.memory.batches


def test_a_body_that_stops_arriving_is_a_timeout(listener: Listener) -> None:
    answer = listener.post(Stream([b"{"], disconnects=True))
    assert (answer.status, answer.json["reason"]) == (408, "timeout")
    assert listener.value("refused_requests_total", reason="timeout") == 1


def cloudevent(**envelope: Any) -> tuple[bytes, dict[bytes, bytes]]:
    return json.dumps(envelope).encode(), {b"content-type": b"application/cloudevents+json"}


REJECTIONS: dict[str, tuple[bytes, dict[bytes, bytes]]] = {
    "invalid_json": (b'{\n{"system":"softdrive"}', NDJSON),
    "not_an_object": (b"5", JSON),
    "duplicate_key": (b'{"system":"softdrive","id":"a","id":"b"}', JSON),
    "too_deep": (b'{"system":"softdrive","x":' + b"[" * 40 + b"]" * 40 + b"}", JSON),
    "missing_system": (b"{}", JSON),
    "unknown_system": (b'{"system":"nope"}', JSON),
    "invalid_field": (b'{"system":"softdrive","phase":"x"}', JSON),
    "invalid_label": (b'{"system":"softdrive","labels":{"region":"\\n"}}', JSON),
    "invalid_cloudevent": cloudevent(id="x"),
    "clock_skew": (b'{"system":"softdrive","occurred_at":"2999-01-01T00:00:00Z"}', JSON),
}


def test_every_reason_of_a_rejection_is_tried() -> None:
    assert {*REJECTIONS, "conflict", "foreign_system"} == set(REJECTED_REASONS)


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_rejection_counts_once_and_is_logged(listener: Listener, reason: str) -> None:
    answer = listener.post(*REJECTIONS[reason])
    assert answer.json["rejected"][0]["reason"] == reason
    assert listener.value("rejected_events_total", reason=reason) == 1
    assert listener.total("rejected_events_total") == 1
    assert listener.logged.count(reason) == 1


def test_all_reasons_are_there_at_0_from_the_start(listener: Listener) -> None:
    for reason in REJECTED_REASONS:
        assert listener.value("rejected_events_total", reason=reason) == 0
    for reason in REFUSED_REASONS:
        assert listener.value("refused_requests_total", reason=reason) == 0
