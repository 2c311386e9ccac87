"""What a browser may say, and what is made of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.beacons.buckets import Limit
from exporter.beacons.decode import MAX_AGE, MAX_DURATION, decode
from exporter.beacons.sites import Site
from exporter.errors import NothingValid, TooManyEvents, Unparseable
from exporter.ingest.event import Decoded
from exporter.taxonomy import Taxonomy
from tests.beacons.browsers import Browsers

NOW = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)
SITE = Site(
    "shop",
    "streampixel",
    frozenset({b"https://shop.example"}),
    Limit(1, 1),
    {"region": frozenset({"eu-west"})},
)


def read(body: Any) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(raw, SITE, NOW.timestamp(), 32)


def rejection(**fields: Any) -> tuple[str, str]:
    (one,) = read({"id": "a", **fields}).rejected
    return one.reason, one.message


def test_the_time_is_now_less_the_age() -> None:
    events = read([{"id": "a"}, {"id": "b", "age_seconds": 90.5}, {"id": "c", "age_seconds": None}])
    assert events.events.occurred_at == (NOW, NOW - timedelta(seconds=90.5), NOW)
    assert events.aged


@pytest.mark.parametrize(
    "age", [-1, -0.001, MAX_AGE + 1, 10**400, "1", True, [], {}, 1e308], ids=str
)
def test_an_age_is_a_number_that_a_clock_can_count(age: Any) -> None:
    reason, message = rejection(age_seconds=age)
    assert reason == "invalid_field"
    assert message.startswith("age_seconds: must be ")


@pytest.mark.parametrize("text", [b"1e999", b"-1e999"])
def test_an_infinite_age_is_rejected(text: bytes) -> None:
    (one,) = read(b'{"id":"a","age_seconds":' + text + b"}").rejected
    assert one.message == f"age_seconds: must be 0 to {MAX_AGE}"


@pytest.mark.parametrize("age", [0, 0.0, 5, MAX_AGE])
def test_ages_up_to_a_year_are_taken(age: float) -> None:
    assert read({"id": "a", "age_seconds": age}).rejected == []


@pytest.mark.parametrize("seconds", [-1, MAX_DURATION + 1, 366 * 86400, 1e308, 10**400], ids=str)
def test_beacon_duration_longer_than_a_week_is_rejected(seconds: float) -> None:
    """Fails without the bound of beacons."""
    reason, message = rejection(duration_seconds=seconds)
    assert reason == "invalid_field"
    assert message.startswith("duration_seconds: must be ")


def test_beacon_duration_of_a_week_is_taken() -> None:
    assert read({"id": "a", "duration_seconds": MAX_DURATION}).rejected == []


def test_an_old_event_counts_as_late(browsers: Browsers) -> None:
    assert browsers.post({"id": "a", "code": 4001, "age_seconds": 1000}).status == 204
    assert browsers.ends() == [("streampixel", "4001", "late")]


def test_a_browsers_clock_is_not_believed() -> None:
    """Fails when occurred_at is taken, or dropped without a word: both count at a wrong time."""
    assert rejection(occurred_at="2026-11-20T19:00:00Z") == (
        "invalid_field",
        "occurred_at: no browser's clock is believed; send age_seconds",
    )


@pytest.mark.parametrize("fields", [{}, {"id": None}])
def test_an_id_is_required(fields: dict[str, Any]) -> None:
    (one,) = read({"code": 4001, **fields}).rejected
    assert one.message == "id: required here, and the same each time it is sent"


@pytest.mark.parametrize("id_", ["", "x" * 129])
def test_an_id_has_the_length_that_ids_have(browsers: Browsers, id_: str) -> None:
    assert browsers.post({"id": id_}).json["rejected"][0]["message"] == "id: must be 1 to 128 bytes"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"reason": "Worker Node Unavailable"}, "4001"),
        ({"code": None, "reason": "project inactive"}, "4000"),
        ({"code": "", "reason": "No streamer connected"}, "4005"),
        ({"reason": "Application Error"}, "4006"),
        ({"code": "Worker Node Unavailable"}, "4001"),
        ({"code": 4003, "reason": "Application Error"}, "4003"),
        ({"reason": "nobody wrote this down"}, "unknown"),
        ({"reason": ""}, "1000"),
        ({}, "1000"),
    ],
)
def test_a_reason_in_words_is_the_code_when_there_is_no_number(
    browsers: Browsers, said: dict[str, Any], code: str
) -> None:
    assert browsers.post({"id": "a", **said}).status == 204
    assert browsers.ends() == [("streampixel", code, "ends")]


def test_a_reason_is_words() -> None:
    assert rejection(reason=5) == ("invalid_field", "reason: must be a string, not a number")


def test_labels_have_names_and_values_of_the_sites_entry() -> None:
    """Fails when a browser's values are kept: fifty made-up ones used up a label's places for good."""
    labels = {"region": "eu-west", "project": "x", "y": {"deep": 1}}
    assert json.loads(read({"id": "a", "labels": labels}).events.labels[0]) == {"region": "eu-west"}
    made_up = read({"id": "a", "labels": {"region": "mars"}}).events.labels[0]
    assert json.loads(made_up) == {"region": "other"}


@pytest.mark.parametrize("phase", ["pre_session", "keep_alive", "x", 5, None])
def test_the_phase_is_the_taxonomys(browsers: Browsers, phase: Any) -> None:
    """Fails when a browser's is kept: with a public key each code became five series, for good."""
    browsers.post({"id": "a", "code": 4001})
    assert browsers.post({"id": "b", "code": 4001, "phase": phase}).status == 204
    (first, second) = (one for batch in browsers.listener.memory.batches for one in batch.series)
    assert first is second


@pytest.mark.parametrize(
    ("labels", "reason"), [(5, "invalid_field"), ({"region": 5}, "invalid_label")]
)
def test_labels_of_a_wrong_kind_are_rejected(browsers: Browsers, labels: Any, reason: str) -> None:
    answer = browsers.post({"id": "a", "labels": labels})
    assert answer.json["rejected"][0]["reason"] == reason


@pytest.mark.parametrize("value", [5, "x", None, True, []])
def test_an_event_is_an_object(value: Any) -> None:
    (one,) = read([value]).rejected
    assert one.reason == "not_an_object"


def test_a_key_that_is_there_twice_or_too_deep_is_rejected() -> None:
    assert read(b'{"id":"a","id":"b"}').rejected[0].reason == "duplicate_key"
    assert read(b'{"id":"a","x":' + b"[" * 40 + b"]" * 40 + b"}").rejected[0].reason == "too_deep"


def test_at_most_a_hundred_events_and_at_least_one() -> None:
    assert read([{"id": str(number)} for number in range(100)]).total == 100
    with pytest.raises(TooManyEvents, match="101 events: at most 100 in one beacon"):
        read([{}] * 101)
    with pytest.raises(NothingValid):
        read([])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN", b"[" * 50_000, b"id=a", b"1" * 5000])
def test_what_is_no_json_is_unparseable(body: bytes) -> None:
    with pytest.raises(Unparseable):
        read(body)


def test_surrogates_are_rejected_wherever_they_are(browsers: Browsers) -> None:
    for text in (
        b'{"id":"\\ud800"}',
        b'{"id":"a","code":"\\ud800"}',
        b'{"id":"a","reason":"\\ud800"}',
    ):
        assert browsers.post(text).status == 422


def test_shipped_reasons_are_known_to_every_sender(taxonomy: Taxonomy) -> None:
    match = taxonomy.systems["streampixel"].match
    assert match("Worker Node Unavailable").code == "4001"
