"""The fields of a beacon's events."""

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from exporter.beacons.decode import MAX_AGE, MAX_DURATION, decode
from exporter.beacons.sites import Site
from exporter.errors import NothingValid, TooManyEvents
from exporter.ingest.event import Decoded
from exporter.token_bucket import Limit
from tests.beacons.conftest import Browsers
from tests.ingest.listener import NOW

LABELS = {"region": frozenset({"eu-west"})}
SITE = Site("shop", "streampixel", frozenset({b"https://shop.example"}), Limit(1, 1), LABELS)


def read(body: Any) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(raw, SITE, NOW.timestamp(), 32)


def test_time_is_now_less_the_age() -> None:
    decoded = read(
        [{"id": "a"}, {"id": "b", "age_seconds": 90.5}, {"id": "c", "age_seconds": None}]
    )
    assert decoded.events.occurred_at == (NOW, NOW - timedelta(seconds=90.5), NOW)
    assert decoded.relative_time


@pytest.mark.parametrize("age", [MAX_AGE, MAX_AGE + 1, 1e308])
def test_age_is_at_most_a_year(age: float) -> None:
    """Fails when a larger age rejects the end: a clock was set in the session."""
    decoded = read({"id": "a", "age_seconds": age})
    assert decoded.events.occurred_at == (NOW - timedelta(seconds=MAX_AGE),)


@pytest.mark.parametrize(
    ("duration", "kept"),
    [(MAX_DURATION, MAX_DURATION), (MAX_DURATION + 1, None), (-1, None), (1e308, None)],
)
def test_duration_out_of_range_is_ignored_and_counted(
    browsers: Browsers, duration: float, kept: float | None
) -> None:
    """Fails when it rejects the end: a clock was corrected in the session, and the end was lost."""
    event = {"id": "a", "duration_seconds": duration}
    assert read(event).events.duration_seconds == (kept,)
    assert browsers.post(event).status == 204
    assert browsers.listener.value("ignored_fields_total") == (kept is None)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ('"age_seconds":-0.001', "age_seconds: must be a number >= 0.0"),
        (f'"age_seconds":1{"0" * 400}', "age_seconds: Number out of range"),
        ('"age_seconds":"1"', "age_seconds: must be a number, not a string"),
        ('"reason":5', "reason: must be a string, not an integer"),
        (
            '"occurred_at":"2026-11-20T19:00:00Z"',
            "occurred_at: not allowed in a beacon, a browser's clock may be wrong; send age_seconds",
        ),
        ('"code":1', "id: required in a beacon, the same in each retry"),
        ('"id":""', "id: required in a beacon, the same in each retry"),
        ('"id":"undefined"', "id: required in a beacon, the same in each retry"),
        (f'"id":"{"x" * 129}"', "id: must be 1 to 128 bytes"),
        ('"id":"\\ud800"', "id: contains a lone surrogate"),
        ('"reason":"\\ud800"', "reason: contains a lone surrogate"),
        ('"labels":5', "labels: must be an object"),
    ],
)
def test_invalid_field_is_rejected_with_its_rule(event: str, message: str) -> None:
    """Fails when a browser's `occurred_at` is used or ignored."""
    prefix = "" if "id: " in message else '"id":"a",'
    (rejection,) = read(f"{{{prefix}{event}}}".encode()).rejected
    assert (rejection.reason, rejection.message) == ("invalid_field", message)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id":"a","id":"b"}', "duplicate_key"),
        (b'{"id":"a","x":' + b"[" * 40 + b"]" * 40 + b"}", "too_deep"),
    ],
)
def test_invalid_event_is_rejected(body: bytes, reason: str) -> None:
    (rejection,) = read(body).rejected
    assert rejection.reason == reason


def test_unknown_keys_are_ignored_and_counted(browsers: Browsers) -> None:
    assert browsers.post({"id": "a", "cod": 4001, "ageSeconds": 3}).status == 204
    assert browsers.ends() == [("streampixel", "1000", "ends")]
    assert browsers.listener.value("ignored_fields_total") == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reason": "Worker Node Unavailable"}, "4001"),
        ({"code": None, "reason": "project inactive"}, "4000"),
        ({"code": "", "reason": "No streamer connected"}, "4005"),
        ({"code": "Worker Node Unavailable"}, "4001"),
        ({"code": 4003, "reason": "Application Error"}, "4003"),
        ({"reason": "an undocumented reason"}, "unknown"),
        ({"Code": 4003}, "4003"),
        ({"Reason": "Application Error"}, "4006"),
        ({"system": "", "occurred_at": "", "code": 4001}, "4001"),
        ({}, "1000"),
    ],
)
def test_reason_is_the_code_of_an_event_without_code(
    browsers: Browsers, fields: dict[str, Any], code: str
) -> None:
    assert browsers.post({"id": "a", **fields}).status == 204
    assert browsers.ends() == [("streampixel", code, "ends")]


def test_labels_have_names_and_values_of_the_site() -> None:
    """Fails when a browser's values are kept: fifty invented values used up the bound permanently."""
    labels = {"region": "eu-west", "project": "x", "y": {"deep": 1}}
    assert json.loads(read({"id": "a", "labels": labels}).events.labels[0]) == {"region": "eu-west"}
    assert read({"id": "a", "labels": {"project": "x"}}).events.labels[0] == b"{}"
    # A script's tag with `data-re-gion` sends this name.
    spelled = read({"id": "a", "labels": {"reGion": "eu-west"}}).events.labels[0]
    assert json.loads(spelled) == {"region": "eu-west"}
    invented = read({"id": "a", "labels": {"region": "mars"}}).events.labels[0]
    assert json.loads(invented) == {"region": "other"}


@pytest.mark.parametrize(
    ("label", "text"), [(42, "42"), (1.5, "1.5"), (True, "true"), (7, "other")]
)
def test_number_as_a_label_is_text(label: Any, text: str) -> None:
    """Fails when a number is kept: the exporter rejected every end of the page, which showed no error."""
    site = dataclasses.replace(SITE, labels={"region": frozenset({"42", "1.5", "true"})})
    body = json.dumps({"id": "a", "labels": {"region": label}}).encode()
    (labels,) = decode(body, site, NOW.timestamp(), 32).events.labels
    assert json.loads(labels) == {"region": text}


@pytest.mark.parametrize("phase", ["keep_alive", "\ud800", 5])
def test_phase_of_a_browser_is_ignored(browsers: Browsers, phase: Any) -> None:
    """Fails when the phase is kept: a holder of the public key could create five series per code."""
    browsers.post({"id": "a", "code": 4001})
    assert browsers.post({"id": "b", "code": 4001, "phase": phase}).status == 204
    first, second = (
        series for batch in browsers.listener.memory.batches for series in batch.series
    )
    assert first is second


def test_user_of_a_browser_is_distinct_from_users_of_other_senders(browsers: Browsers) -> None:
    """Fails when a holder of the public key can turn another sender's end into a repeat."""
    other = Site("forum", "streampixel", frozenset(), Limit(1, 1), LABELS)
    body = b'{"id":"a","user":"u"}'
    users = {decode(body, site, NOW.timestamp(), 32).events.user for site in (SITE, other)}
    assert len(users | {("u",)}) == 3
    assert read({"id": "a", "user": "undefined"}).events.user == (None,)
    assert browsers.post({"id": "a", "user": "x" * 256}).status == 204
    assert browsers.post({"id": "b", "user": "x" * 257}).json["rejected"]


def test_beacon_has_1_to_100_events() -> None:
    assert read([{"id": str(number)} for number in range(100)]).total == 100
    with pytest.raises(TooManyEvents, match="101 events: at most 100 in one beacon"):
        read([{}] * 101)
    with pytest.raises(NothingValid):
        read([])
