"""CloudEvents in all three modes, as the official SDK writes them."""

import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent as OldCloudEvent

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
        json.dumps({name: value for name, value in whole.items() if value is not None}).encode(),
        STRUCTURED,
    )


def rejection(answer: Answer) -> tuple[str, str]:
    """Reason and message of the only event's rejection."""
    assert answer.status == 422
    (rejected,) = answer.json["rejected"]
    return rejected["reason"], rejected["message"]


def test_binary_event_has_the_key_of_the_structured_event(listener: Listener) -> None:
    event = sdk(id='ü "1"\\', source="/a%b/c")
    body, headers = written(to_binary_event(event))
    assert b"ce-specversion" in headers
    assert listener.post(body, headers).json["accepted"] == 1
    assert listener.post(*written(to_structured_event(event))).json["duplicates"] == 1


def test_other_headers_do_not_change_the_key(listener: Listener) -> None:
    body = json.dumps(DATA).encode()
    assert listener.post(body, BINARY).json["accepted"] == 1
    headers = {**BINARY, b"user-agent": b"%ff", b"my-id": b"other"}
    assert listener.post(body, headers).json["duplicates"] == 1


def test_batch_is_an_array_of_events(listener: Listener) -> None:
    events = [sdk(id=f"e-{number}") for number in range(3)]
    bodies = [written(to_structured_event(event))[0] for event in events]
    answer = listener.post(b"[" + b",".join(bodies) + b",5]", BATCH)
    assert (answer.json["accepted"], answer.json["rejected"][0]["index"]) == (3, 3)
    assert answer.json["rejected"][0]["message"] == "a CloudEvent is a JSON object"
    assert listener.post(bodies[1], STRUCTURED).json["duplicates"] == 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        *((BINARY, b"{", 400), (BATCH, b"[]", 422), (STRUCTURED, b"[]", 422)),
        *((BATCH, b"5", 422), (BINARY, b"[1]", 422), (BINARY, b"null", 422)),
    ],
)
def test_body_without_a_cloudevent_is_refused(
    listener: Listener, headers: dict[bytes, bytes], body: bytes, status: int
) -> None:
    assert listener.post(body, headers).status == status


def test_key_is_source_and_id(listener: Listener) -> None:
    listener.send({**DATA, "id": "e-1"})
    assert structured(listener).json["accepted"] == 1
    assert structured(listener, source="/clients/us").json["accepted"] == 1
    assert structured(listener, id="e-2").json["accepted"] == 1
    assert structured(listener, data={**DATA, "id": 5}).json["duplicates"] == 1


def test_time_replaces_a_missing_occurred_at(listener: Listener) -> None:
    late = "2026-11-20T18:00:00Z"
    structured(listener, time=late)
    structured(listener, id="e-2", time=late, data={**DATA, "occurred_at": "2026-11-20T19:00:00Z"})
    families = [batch.series[0].family.value for batch in listener.memory.batches]
    assert families == ["late", "ends"]


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "cut \ud83d"},
        {"time": "today", "data": {**DATA, "occurred_at": "2026-11-20T19:00:00Z"}},
    ],
)
def test_unused_attribute_may_be_invalid(listener: Listener, change: dict[str, Any]) -> None:
    assert structured(listener, **change).json["accepted"] == 1


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_missing_attribute_is_rejected(listener: Listener, name: str) -> None:
    """A CloudEvent must not be counted without its key."""
    for value in (None, "", 5):
        reason, message = rejection(structured(listener, **{name: value}))
        assert (reason, name in message) == ("invalid_cloudevent", True)
    headers = {key: value for key, value in BINARY.items() if key != b"ce-" + name.encode()}
    assert rejection(listener.post(json.dumps(DATA).encode(), headers))[0] == "invalid_cloudevent"


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        (
            {"specversion": "0.3"},
            "invalid_cloudevent",
            "specversion: must be a string matching regex",
        ),
        ({"source": "\ud800"}, "invalid_cloudevent", "source: contains a lone surrogate"),
        ({"time": 5}, "invalid_cloudevent", "time: must be an RFC 3339 time, not an integer"),
        ({"time": "yesterday"}, "invalid_cloudevent", "time: Invalid RFC3339 encoded datetime"),
        ({"data": "text"}, "invalid_cloudevent", "data: must be an object, not a string"),
        ({"data": None}, "invalid_cloudevent", "Object missing required field `data`"),
        ({"id": "x" * 129}, "invalid_field", "id: "),
        ({"data": {}}, "missing_system", ""),
        ({"data": {"system": "nope"}}, "unknown_system", ""),
    ],
)
def test_invalid_envelope_or_event_is_rejected(
    listener: Listener, change: dict[str, Any], reason: str, message: str
) -> None:
    rejected = rejection(structured(listener, **change))
    assert rejected[0] == reason
    assert rejected[1].startswith(message)


def test_duplicate_attribute_is_rejected(listener: Listener) -> None:
    whole = json.dumps({**ENVELOPE, "data": DATA})
    answer = listener.post(whole.replace("{", '{"id":"x",', 1).encode(), STRUCTURED)
    assert rejection(answer)[0] == "duplicate_key"


@pytest.mark.parametrize("name", [b"ce-id", b"ce-subject"])
@pytest.mark.parametrize("value", [b"%ff", b"%ed%a0%80"])
def test_header_that_is_not_percent_encoded_utf8_is_refused(
    listener: Listener, name: bytes, value: bytes
) -> None:
    """Fails without the check: the decoder raised UnicodeDecodeError, and the answer was 500."""
    answer = listener.post(json.dumps(DATA).encode(), {**BINARY, name: value})
    assert answer.status == 400
    assert answer.json["detail"] == f"{name.decode()}: is not percent-encoded UTF-8"


@pytest.mark.parametrize("attributes", [{}, {"datacontenttype": "application/json"}])
def test_both_modes_of_the_sdk_of_version_1_count_an_event_once(
    listener: Listener, attributes: dict[str, str]
) -> None:
    """In binary mode this SDK sends no Content-Type unless the event has a datacontenttype."""
    # Without a time the SDK takes the clock's.
    given = {"type": "session.end", "source": "/eu", "time": NOW.isoformat()}
    event = OldCloudEvent({**given, **attributes}, DATA)
    assert ("content-type" in to_binary(event)[0]) == bool(attributes)
    for (headers, body), kind in (
        (to_binary(event), "accepted"),
        (to_structured(event), "duplicates"),
    ):
        sent = {name.lower().encode(): value.encode() for name, value in headers.items()}
        assert listener.post(body, sent).json[kind] == 1
