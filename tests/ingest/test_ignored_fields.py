"""Keys of events: matched to fields, reported when they match no field, rejected with `strict_fields`."""

import json
import time
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest.decode import Decoder
from exporter.ingest.event import FieldMatcher
from exporter.ingest.guard import Media
from tests.ingest.listener import EVENT, JSON, NDJSON, Listener
from tests.ingest.test_cloudevents import ENVELOPE, STRUCTURED


@pytest.mark.parametrize("headers", [JSON, NDJSON, STRUCTURED])
def test_spelling_of_a_key_does_not_matter(listener: Listener, headers: dict[bytes, bytes]) -> None:
    """Fails without the match: `Code` was ignored, and a failure was counted as a normal end."""
    event: dict[str, Any] = {
        "System": "streampixel",
        "CODE": 4001,
        "Session ID": "s",
        "occurredAt": "2026-11-20T19:00:00Z",
        "duration-seconds": 12.5,
        "Phase": "connect",
        "Final": True,
        "Labels": {"region": "eu"},
    }
    sent = {**ENVELOPE, "data": event} if headers is STRUCTURED else {**event, "Id": "e-1"}
    answer = listener.post(json.dumps(sent).encode(), headers)
    assert answer.json == {"accepted": 1, "duplicates": 0, "rejected": []}
    (batch,) = listener.memory.batches
    expected = ("ends", "streampixel", "4001", "connect", "capacity", "failure", "eu", "")
    assert batch.series[0].key == expected
    assert batch.durations
    assert batch.sessions
    assert [*batch.durations, *batch.sessions] == [12.5, "s"]


@pytest.mark.parametrize("first", ["code", "CODE"])
def test_two_keys_of_one_field_are_a_duplicate_key(listener: Listener, first: str) -> None:
    answer = listener.send(
        {**EVENT, "code": "01"}, {"system": "softdrive", first: "01", "Code": "02"}
    )
    message = "'Code' is the second key of code"
    assert answer.json["rejected"] == [{"index": 1, "reason": "duplicate_key", "message": message}]


def test_ignored_fields_are_named_in_the_answer_and_counted(listener: Listener) -> None:
    event = {"system": "softdrive", "error_code": "01", "reason": "x", "labels": {"Code": "1"}}
    answer = listener.send({**event, "id": "a"}, {**event, "id": "b"}, {**EVENT, "comment": 1})
    assert answer.json["warnings"] == {
        "ignored_fields": {"error_code": "code", "reason": None, "comment": None}
    }
    assert listener.value("ignored_fields_total") == 5
    (batch,) = listener.memory.batches
    assert [series.code for series in batch.series] == ["none", "none", "01"]


def test_ignored_fields_of_uncounted_events_are_not_counted(listener: Listener) -> None:
    """A retry after a 503 or a correction of a 422 would count them twice."""
    assert listener.send({"system": "nope", "Comment": 1}).status == 422
    assert listener.value("ignored_fields_total") == 0


def test_attributes_of_a_cloudevent_are_no_fields(listener: Listener) -> None:
    envelope = {**ENVELOPE, "subject": "x", "data": {"system": "softdrive", "Id": "1", "sever": 1}}
    answer = listener.post(json.dumps(envelope).encode(), STRUCTURED)
    assert answer.json["warnings"] == {"ignored_fields": {"sever": None}}


# --- strict_fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("error_code", "'error_code' is not a field (strict_fields); the nearest field is code"),
        ("comment", "'comment' is not a field (strict_fields)"),
        ("x" * 100, f"'{'x' * 80}…' is not a field (strict_fields)"),
        ("\ud800", "'<U+D800>' is not a field (strict_fields)"),
    ],
)
@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
def test_strict_fields_rejects_unknown_fields(key: str, message: str, media: Media) -> None:
    events = ({"system": "softdrive", key: 1}, {"System": "softdrive"})
    body = "\n".join(map(json.dumps, events)) if media is Media.NDJSON else json.dumps(events)
    decoded = Decoder(1000, 32, strict_fields=True).decode(media, body.encode(), {})
    assert decoded.events.system == ("softdrive",)
    (rejection,) = decoded.rejected
    assert (rejection.index, rejection.reason) == (0, "unknown_field")
    assert rejection.message == message


# --- hostile keys ---------------------------------------------------------------------------------


def test_names_are_bounded_in_number_and_length_and_valid_json(listener: Listener) -> None:
    """Fails without the bounds: an answer would repeat a megabyte of keys."""
    keys = ["x" * 100_000, "\ud800", *(f"key{number}" for number in range(100))]
    answer = listener.send({**EVENT, **dict.fromkeys(keys, 1)})
    names = ["x" * 64, "?", *(f"key{number}" for number in range(8))]
    assert answer.json["warnings"] == {"ignored_fields": dict.fromkeys(names)}
    assert listener.value("ignored_fields_total") == 102


@pytest.mark.parametrize("strict", [False, True])
def test_megabyte_of_keys_is_matched_in_linear_time(strict: bool) -> None:
    """Fails when each ignored key is compared with all fields: 50 µs each, 7 s for a body."""
    events = [{f"{number:05}x{key}": 1 for key in range(90)} for number in range(1000)]
    ignored = FieldMatcher(strict=strict)
    began = time.thread_time()
    for event in events:
        try:
            assert ignored.match(event) == {}
        except Rejected:
            assert strict
    assert time.thread_time() - began < 2
    assert ignored.count == (0 if strict else 90_000)
