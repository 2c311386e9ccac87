"""Idempotency-Key: the id of a single event that has none."""

import json

import pytest

from tests.ingest.events import EVENT, keyless
from tests.ingest.listener import JSON, NDJSON, NOW, Listener


@pytest.mark.parametrize("key", ["k-1", '"k-1"', " k-1 ", ' "k-1"'])
def test_an_idempotency_key_is_the_id_of_a_single_event(listener: Listener, key: str) -> None:
    listener.send({**keyless(), "id": "k-1"})
    answer = listener.send(keyless(), idempotency_key=key)
    assert answer.json == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_an_id_is_stronger_than_the_idempotency_key(listener: Listener) -> None:
    listener.send(EVENT, idempotency_key="k")
    assert listener.send(EVENT, idempotency_key="other").json["duplicates"] == 1
    assert listener.send({**EVENT, "id": "k"}).json["accepted"] == 1


def test_it_also_stands_in_for_the_derived_key(listener: Listener) -> None:
    event = keyless(session_id="s", occurred_at=NOW.isoformat())
    assert listener.send(event, idempotency_key="a").json["accepted"] == 1
    assert listener.send(event, idempotency_key="b").json["accepted"] == 1


@pytest.mark.parametrize("events", [(keyless(), keyless()), (keyless(), 5), (5, keyless())])
def test_of_several_events_it_is_nobodys_id(
    listener: Listener, events: tuple[object, object]
) -> None:
    """Fails when valid events are counted instead of sent ones: a retry with one more would double."""
    answer = listener.send(*events, idempotency_key="k")
    assert answer.json["at_least_once"] == answer.json["accepted"]


def test_a_single_event_in_an_array_or_a_line_is_single(listener: Listener) -> None:
    headers = {b"idempotency-key": b"k"}
    text = json.dumps(keyless()).encode()
    assert listener.post(b"[" + text + b"]", {**JSON, **headers}).json["accepted"] == 1
    assert listener.post(b"\n" + text, {**NDJSON, **headers}).json["duplicates"] == 1


@pytest.mark.parametrize("key", [b"", b'""', b"k" * 129, b" "])
def test_the_rules_of_ids_hold_for_it(listener: Listener, key: bytes) -> None:
    answer = listener.post(json.dumps(keyless()).encode(), {**JSON, b"idempotency-key": key})
    assert answer.status == 422
    assert answer.json["rejected"][0]["message"].startswith("id: ")


def test_one_that_is_not_utf8_is_refused(listener: Listener) -> None:
    answer = listener.post(json.dumps(keyless()).encode(), {**JSON, b"idempotency-key": b"\xff"})
    assert (answer.status, answer.json["reason"]) == (400, "unparseable")
