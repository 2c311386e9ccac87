"""CloudEvents in all three modes, as the official SDK writes them."""

import base64
import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.ingest.listener import NOW, Answer, Listener

DATA = {"system": "softdrive", "code": "01", "session_id": "s-1"}
ENVELOPE = {"id": "e-1", "source": "/clients/eu", "type": "session.end", "specversion": "1.0"}
STRUCTURED = {b"content-type": b"application/cloudevents+json"}
BATCH = {b"content-type": b"application/cloudevents-batch+json"}
BINARY = {b"content-type": b"application/json"} | {
    b"ce-" + name.encode(): value.encode() for name, value in ENVELOPE.items()
}


def sdk(data: Any = DATA, **attributes: Any) -> CloudEvent:
    # Without a time the SDK takes the clock's.
    given = {"datacontenttype": "application/json", "time": NOW, **attributes}
    return CloudEvent({**ENVELOPE, **given}, data)


def written(message: Any) -> tuple[bytes, dict[bytes, bytes]]:
    headers = {name.lower().encode(): value.encode() for name, value in message.headers.items()}
    return message.body, headers


def structured(listener: Listener, **envelope: Any) -> Answer:
    whole = {**ENVELOPE, "data": DATA, **envelope}
    return listener.post(
        json.dumps({name: one for name, one in whole.items() if one is not None}).encode(),
        STRUCTURED,
    )


def test_the_sdks_structured_event_is_counted_once_however_often_it_is_sent(
    listener: Listener,
) -> None:
    body, headers = written(to_structured_event(sdk()))
    assert headers == STRUCTURED
    assert listener.post(body, headers).json["accepted"] == 1
    assert listener.post(body, headers).json["duplicates"] == 1
    assert [one.code for one in listener.memory.batches[0].series] == ["01"]


def test_the_sdks_binary_event_has_the_key_of_the_structured_one(listener: Listener) -> None:
    event = sdk(id='ü "1"\\', source="/a%b/c")
    body, headers = written(to_binary_event(event))
    assert b"ce-specversion" in headers
    assert listener.post(body, headers).json["accepted"] == 1
    assert listener.post(*written(to_structured_event(event))).json["duplicates"] == 1


def test_a_batch_of_the_sdks_events_is_an_array(listener: Listener) -> None:
    events = [sdk(id=f"e-{number}") for number in range(3)]
    bodies = [written(to_structured_event(event))[0] for event in events]
    answer = listener.post(b"[" + b",".join(bodies) + b"]", BATCH)
    assert answer.json == {"accepted": 3, "duplicates": 0, "rejected": []}
    assert listener.post(bodies[1], STRUCTURED).json["duplicates"] == 1


def test_the_sdks_bytes_come_as_base64_and_count(listener: Listener) -> None:
    body, headers = written(to_structured_event(sdk(json.dumps(DATA).encode())))
    assert b"data_base64" in body
    assert listener.post(body, headers).json["accepted"] == 1
    assert structured(listener, time=NOW.isoformat()).json["duplicates"] == 1


def test_the_key_is_source_and_id(listener: Listener) -> None:
    assert structured(listener).json["accepted"] == 1
    assert structured(listener, source="/clients/us").json["accepted"] == 1
    assert structured(listener, id="e-2").json["accepted"] == 1
    assert structured(listener).json["duplicates"] == 1


def test_an_id_in_the_data_is_ignored_even_a_wrong_one(listener: Listener) -> None:
    assert structured(listener, data={**DATA, "id": "x"}).json["accepted"] == 1
    assert structured(listener, data={**DATA, "id": 5}).json["duplicates"] == 1


def test_the_keys_of_plain_events_are_others(listener: Listener) -> None:
    listener.send({**DATA, "id": "e-1"})
    assert structured(listener).json["accepted"] == 1


def test_time_stands_in_for_occurred_at_and_only_then(listener: Listener) -> None:
    late = "2026-11-20T18:00:00Z"
    structured(listener, time=late)
    structured(listener, id="e-2", time=late, data={**DATA, "occurred_at": "2026-11-20T19:00:00Z"})
    families = [one.series[0].family.value for one in listener.memory.batches]
    assert families == ["late", "ends"]


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("value", [None, "", 5, ["x"]])
def test_a_missing_or_empty_attribute_is_named(listener: Listener, name: str, value: Any) -> None:
    answer = structured(listener, **{name: value})
    assert answer.status == 422
    assert answer.json["rejected"][0]["reason"] == "invalid_cloudevent"
    assert answer.json["rejected"][0]["message"].startswith(f"{name}: required")


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_missing_header_is_named_too(listener: Listener, name: str) -> None:
    """An event that means to be a CloudEvent must not be counted without its key."""
    headers = {key: value for key, value in BINARY.items() if key != b"ce-" + name.encode()}
    answer = listener.post(json.dumps(DATA).encode(), headers)
    assert answer.status == 422
    assert answer.json["rejected"][0]["message"].startswith(f"{name}: required")


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"source": "\ud800"},
        {"time": 5},
        {"data": "text"},
        {"data": ["x"]},
        {"data": None},
        {"data": None, "data_base64": 5},
        {"data": None, "data_base64": "%%%"},
        {"data": None, "data_base64": "é"},
        {"data": None, "data_base64": base64.b64encode(b"{").decode()},
        {"data": None, "data_base64": base64.b64encode(b"[]").decode()},
    ],
)
def test_a_wrong_envelope_is_rejected_as_such(listener: Listener, change: dict[str, Any]) -> None:
    answer = structured(listener, **change)
    assert answer.status == 422
    assert answer.json["rejected"][0]["reason"] == "invalid_cloudevent"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": "yesterday"}, "invalid_field"),
        ({"id": "\ud800"}, "invalid_field"),
        ({"id": "x" * 129}, "invalid_field"),
        ({"data": {}}, "missing_system"),
        ({"data": {"system": "nope"}}, "unknown_system"),
    ],
)
def test_the_rules_of_events_hold_inside(
    listener: Listener, change: dict[str, Any], reason: str
) -> None:
    assert structured(listener, **change).json["rejected"][0]["reason"] == reason


def base64_of(text: str) -> dict[str, Any]:
    return {"data": None, "data_base64": base64.b64encode(text.encode()).decode()}


def test_base64_data_is_checked_like_any_other(listener: Listener) -> None:
    """Fails without the second check: nobody has looked into the text before."""
    twice = structured(listener, **base64_of('{"system":"softdrive","code":1,"code":2}'))
    assert twice.json["rejected"][0]["reason"] == "duplicate_key"
    deep = '{"system":"softdrive","x":' + "[" * 32 + "]" * 32 + "}"
    assert structured(listener, **base64_of(deep)).json["rejected"][0]["reason"] == "too_deep"


def test_unknown_fields_of_base64_data_are_ignored_however_nested(listener: Listener) -> None:
    nested = json.dumps({**DATA, "x": {"y": [{"z": 1}]}})
    assert structured(listener, **base64_of(nested)).status == 200


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"5"])
def test_a_batch_must_be_an_array(listener: Listener, body: bytes) -> None:
    assert listener.post(body, BATCH).status == 400


def test_a_structured_event_must_not_be_an_array(listener: Listener) -> None:
    assert listener.post(b"[]", STRUCTURED).status == 400


@pytest.mark.parametrize("item", [5, None, "x", []])
def test_what_is_no_object_in_a_batch_is_rejected_alone(listener: Listener, item: object) -> None:
    answer = listener.post(json.dumps([item, {**ENVELOPE, "data": DATA}]).encode(), BATCH)
    assert answer.json["accepted"] == 1
    assert answer.json["rejected"][0]["reason"] == "not_an_object"


def test_an_empty_batch_has_nothing_valid(listener: Listener) -> None:
    assert listener.post(b"[]", BATCH).status == 422


def test_a_duplicate_attribute_is_rejected(listener: Listener) -> None:
    whole = json.dumps({**ENVELOPE, "data": DATA})
    answer = listener.post(whole.replace("{", '{"id":"x",', 1).encode(), STRUCTURED)
    assert answer.json["rejected"][0]["reason"] == "duplicate_key"


@pytest.mark.parametrize("name", [b"ce-id", b"ce-source", b"ce-subject"])
@pytest.mark.parametrize("value", [b"%ff", b"%ed%a0%80", b"a%c3"])
def test_headers_that_are_not_percent_encoded_utf8_are_refused(
    listener: Listener, name: bytes, value: bytes
) -> None:
    """It was a UnicodeDecodeError, and a 500."""
    answer = listener.post(json.dumps(DATA).encode(), {**BINARY, name: value})
    assert answer.status == 400
    assert name.decode() in answer.json["detail"]


def test_quotes_around_a_header_are_not_part_of_it(listener: Listener) -> None:
    body = json.dumps(DATA).encode()
    assert listener.post(body, BINARY).json["accepted"] == 1
    assert listener.post(body, {**BINARY, b"ce-id": b'"e\\-1"'}).json["duplicates"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[1,2]", b"null"])
def test_hostile_binary_bodies_are_refused(listener: Listener, body: bytes) -> None:
    assert listener.post(body, BINARY).status in (400, 422)
