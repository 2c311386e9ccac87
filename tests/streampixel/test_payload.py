"""Decoding of a webhook's body: documented events, keys and mistakes."""

import pytest

from exporter.errors import Rejected, Unparseable
from exporter.streampixel.builds import EVENTS, build_series
from exporter.streampixel.webhook import decode
from tests.streampixel.payloads import STATUS, TEST_BODY, body

TIME_RULE = "is not an RFC 3339 time with an offset, such as 2026-11-20T19:00:00Z"


def test_events_are_the_documented_ones() -> None:
    assert list(EVENTS) == [*STATUS, "webhook.test"]


def test_event_has_a_series_with_empty_labels() -> None:
    series = build_series(("region", "project"))
    assert list(series) == list(EVENTS)
    key = ("builds", "streampixel", "webhook.test", "", "", "", "", "")
    assert series["webhook.test"].key == key


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


def test_repeated_delivery_has_the_same_key() -> None:
    again = body(fileUrl=None, status="?", attempt=2, timestamp="2026-11-20T19:50:00+01:00")
    assert decode(again).key == decode(body()).key


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"{}", "event: Field required"),
        (body("build.exploded"), "event: Input should be 'build.uploaded', 'build.downloading', "),
        (body(event=None), "event: Input should be 'build.uploaded', 'build.downloading', "),
        (body(projectId=""), "projectId: String should have at least 1 character"),
        (body(projectId=5), "projectId: Input should be a valid string"),
        (body(uploadId="x" * 129), "uploadId: String should have at most 128 characters"),
        (body(timestamp="yesterday"), f"timestamp: 'yesterday' {TIME_RULE}"),
        (body(timestamp="1795200600"), f"timestamp: '1795200600' {TIME_RULE}"),
        (body(timestamp="2026-11-20T18:50:00"), f"timestamp: '2026-11-20T18:50:00' {TIME_RULE}"),
        (body(timestamp=1795200600), "timestamp: Input should be a valid datetime"),
    ],
)
def test_mistake_is_rejected_with_field_and_rule(sent: bytes, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(sent)
    assert caught.value.reason == "invalid_field"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("sent", [b"[]", b"5", b"null"])
def test_body_that_is_no_object_is_rejected(sent: bytes) -> None:
    with pytest.raises(Rejected, match="a build event is a JSON object") as caught:
        decode(sent)
    assert caught.value.reason == "not_an_object"


@pytest.mark.parametrize(
    "sent",
    [b"", b"\xff{}", body().replace(b"https", b"\xff"), TEST_BODY[:-1], b'{"a":' + b"[" * 60_000],
    ids=["empty", "not UTF-8", "skipped field not UTF-8", "cut", "deep"],
)
def test_body_that_is_not_json_is_unparseable(sent: bytes) -> None:
    with pytest.raises(Unparseable, match=r"^not JSON: "):
        decode(sent)
