"""A webhook's body: every documented event is read, and every mistake is named by its field."""

import pytest

from exporter.builds.events import BUILDS, EVENTS, TEST, build_series
from exporter.builds.payload import read
from exporter.errors import Rejected, Unparseable
from tests.builds.payloads import STATUS, TESTED, body


def test_the_seven_build_events_are_those_of_the_documentation() -> None:
    assert list(BUILDS) == list(STATUS)


@pytest.mark.parametrize("event", EVENTS)
def test_every_documented_event_is_read_with_its_time(event: str) -> None:
    found = read(body(event))
    assert (found.event, found.at) == (event, 1_795_200_600.0)


def test_each_event_has_a_series_without_the_taxonomys_labels() -> None:
    found = build_series(("region", "project"))
    assert list(found) == list(EVENTS)
    assert found[TEST].key == ("builds", "streampixel", TEST, "", "", "", "", "")


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
def test_another_event_project_upload_or_time_is_another_event(other: dict[str, object]) -> None:
    assert read(body(**{"event": "build.approved", **other})).key != read(body()).key


def test_a_delivery_that_is_repeated_has_the_same_key_whatever_else_it_says() -> None:
    again = body(fileUrl=None, status="?", attempt=2, timestamp="2026-11-20T19:50:00+01:00")
    assert read(again).key == read(body()).key


@pytest.mark.parametrize(
    ("given", "reason", "message"),
    [
        (b"[]", "not_an_object", "Expected `object`, got `array`"),
        (b'"build.approved"', "not_an_object", "Expected `object`, got `str`"),
        (b"{}", "invalid_field", "Object missing required field `event`"),
        (body(event=None), "invalid_field", "Expected `str`, got `null` - at `$.event`"),
        (body(projectId=7), "invalid_field", "Expected `str`, got `int` - at `$.projectId`"),
        (
            body(projectId=""),
            "invalid_field",
            "Expected `str` of length >= 1 - at `$.projectId`",
        ),
        (
            body(uploadId="x" * 129),
            "invalid_field",
            "Expected `str` of length <= 128 - at `$.uploadId`",
        ),
        (
            body(timestamp="yesterday"),
            "invalid_field",
            "Invalid RFC3339 encoded datetime - at `$.timestamp`",
        ),
        (
            body(timestamp="2026-11-20T18:50:00"),
            "invalid_field",
            "Expected `datetime` with a timezone component - at `$.timestamp`",
        ),
        (
            body("build.exploded"),
            "invalid_field",
            f"event: 'build.exploded' is not one of {', '.join(EVENTS)}",
        ),
    ],
)
def test_a_mistake_names_the_field_and_its_rule(given: bytes, reason: str, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(given)
    assert (caught.value.reason, caught.value.message) == (reason, message)


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"event": "\xff"}',
        body().replace(b"https", b"\xff"),
        TESTED[:-1],
        b'{"a":' + b"[" * 60_000,
    ],
    ids=["nothing", "cut", "no UTF-8", "no event", "a field that is not read", "cut late", "deep"],
)
def test_what_is_no_json_is_said_to_be_none(given: bytes) -> None:
    with pytest.raises(Unparseable, match=r"^not JSON: "):
        read(given)
