"""Decoding of a webhook's body: documented events, keys and mistakes."""

import pytest

from exporter.errors import Rejected, Unparseable
from exporter.streampixel.builds import BUILDS, EVENTS, TEST, build_series
from exporter.streampixel.payload import decode
from tests.streampixel.payloads import STATUS, TEST_BODY, body


def test_the_build_events_are_the_documented_ones() -> None:
    assert list(BUILDS) == list(STATUS)


@pytest.mark.parametrize("event", EVENTS)
def test_a_documented_event_is_decoded(event: str) -> None:
    build = decode(body(event))
    assert (build.event, build.at) == (event, 1_795_200_600.0)


def test_each_event_has_a_series_with_empty_labels() -> None:
    series = build_series(("region", "project"))
    assert list(series) == list(EVENTS)
    assert series[TEST].key == ("builds", "streampixel", TEST, "", "", "", "", "")


@pytest.mark.parametrize(
    "other",
    [
        {"event": "build.rejected"},
        {"projectId": "other"},
        {"uploadId": "other"},
        {"uploadId": None},
        {"timestamp": "2026-11-20T18:50:00.001Z"},
    ],
)
def test_another_event_project_upload_or_time_has_another_key(other: dict[str, object]) -> None:
    assert decode(body(**{"event": "build.approved", **other})).key != decode(body()).key


def test_a_repeated_delivery_has_the_same_key() -> None:
    again = body(fileUrl=None, status="?", attempt=2, timestamp="2026-11-20T19:50:00+01:00")
    assert decode(again).key == decode(body()).key


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"{}", "Object missing required field `event`"),
        (body(event=None), "Expected `str`, got `null` - at `$.event`"),
        (body(projectId=""), "Expected `str` of length >= 1 - at `$.projectId`"),
        (body(uploadId="x" * 129), "Expected `str` of length <= 128 - at `$.uploadId`"),
        (body(timestamp="yesterday"), "Invalid RFC3339 encoded datetime - at `$.timestamp`"),
        (
            body(timestamp="2026-11-20T18:50:00"),
            "Expected `datetime` with a timezone component - at `$.timestamp`",
        ),
        (
            body("build.exploded"),
            f"event: 'build.exploded' is not one of {', '.join(EVENTS)}",
        ),
    ],
)
def test_a_mistake_names_field_and_rule(sent: bytes, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(sent)
    assert (caught.value.reason, caught.value.message) == ("invalid_field", message)


def test_a_body_that_is_no_object_is_rejected() -> None:
    with pytest.raises(Rejected, match="Expected `object`, got `array`") as caught:
        decode(b"[]")
    assert caught.value.reason == "not_an_object"


@pytest.mark.parametrize(
    "sent",
    [b"", b"\xff{}", body().replace(b"https", b"\xff"), TEST_BODY[:-1], b'{"a":' + b"[" * 60_000],
    ids=["empty", "not UTF-8", "skipped field not UTF-8", "cut", "deep"],
)
def test_a_body_that_is_not_json_is_unparseable(sent: bytes) -> None:
    with pytest.raises(Unparseable, match=r"^not JSON: "):
        decode(sent)
