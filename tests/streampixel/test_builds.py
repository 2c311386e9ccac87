"""The webhook: bodies are decoded strictly, events are counted once in any order, tokens are checked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import names
from exporter.errors import (
    NothingValid,
    Rejected,
    Unauthorized,
    Unparseable,
    WrongMediaType,
)
from exporter.ingest.event import Rejection
from exporter.streampixel.builds import EVENTS, decode
from tests.streampixel.webhook import JSON, NOW, TEST_BODY, TOKEN, Webhook, body

TIME_RULE = "timestamp: must be an RFC 3339 time with an offset"
TEN_MINUTES_AGO = NOW - 600
EARLIER = body(timestamp="2026-11-20T12:00:00Z")


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Webhook]:
    with Webhook(tmp_path) as hook:
        yield hook


def count_and_time(hook: Webhook, event: str = "build.approved") -> tuple[float | None, ...]:
    metrics = (names.PLATFORM_BUILDS, names.PLATFORM_LAST_BUILD)
    return tuple(hook.value(name, event=event, system="streampixel") for name in metrics)


def test_every_event_is_zero_initialized_and_counted(hook: Webhook) -> None:
    assert {count_and_time(hook, event) for event in EVENTS} == {(0, 0)}
    for event in EVENTS:
        assert hook.post(body(event)) == 200
    assert {count_and_time(hook, event) for event in EVENTS} == {(1, TEN_MINUTES_AGO)}


def test_repeated_delivery_is_a_duplicate(hook: Webhook) -> None:
    again = body(fileUrl=None, status="?", attempt=2, timestamp="2026-11-20T19:50:00+01:00")
    for delivery in (body(), body(), again):
        assert hook.post(delivery) == 200
    assert count_and_time(hook) == (1, TEN_MINUTES_AGO)


def test_concurrent_deliveries_keep_the_latest_time(hook: Webhook) -> None:
    """Fails without the lock: the earlier event, committed second, replaced the later time."""
    hook.post_together(body(), EARLIER, body(), EARLIER)
    assert count_and_time(hook) == (2, TEN_MINUTES_AGO)


def test_future_time_is_capped_or_rejected(hook: Webhook) -> None:
    hook.post(body(timestamp="2026-11-20T19:04:59Z"))
    assert count_and_time(hook) == (1, NOW)
    with pytest.raises(NothingValid) as caught:
        hook.post(body(timestamp="2026-11-20T19:06:00Z"))
    message = "timestamp: 360 s in the future; at most 300 s are allowed"
    assert caught.value.rejected == [Rejection(0, "clock_skew", message)]
    assert hook.rejections == [("clock_skew", message)]
    assert count_and_time(hook) == (1, NOW)


@pytest.mark.parametrize("token", ["", "hook-0123456789abcdeF", "hook-0123456789abcde", "é"])
def test_wrong_token_is_refused_and_not_echoed(hook: Webhook, token: str) -> None:
    bearer = {b"authorization": f"Bearer {TOKEN}".encode()}
    with pytest.raises(Unauthorized) as caught:
        hook.post(body(), token, JSON | bearer)
    assert caught.value.detail == "the token is not valid"
    assert count_and_time(hook) == (0, 0)


@pytest.mark.parametrize("media", [None, b"text/plain", b"application/x-ndjson"])
def test_another_content_type_is_refused(hook: Webhook, media: bytes | None) -> None:
    with pytest.raises(WrongMediaType):
        hook.post(body(), headers={} if media is None else {b"content-type": media})


def test_sender_that_leaves_gets_no_answer(hook: Webhook) -> None:
    assert hook.post(None) == 0


# --- bodies ----------------------------------------------------------------------------------------


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
    assert decode(body(**{"event": "build.approved", **other})).key() != decode(body()).key()


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"{}", "event: Field required"),
        (body("build.exploded"), "event: Input should be 'build.uploaded', 'build.downloading', "),
        (body(projectId=""), "projectId: String should have at least 1 character"),
        (body(projectId=5), "projectId: Input should be a valid string"),
        (body(uploadId="x" * 129), "uploadId: String should have at most 128 characters"),
        (body(timestamp="yesterday"), TIME_RULE),
        (body(timestamp="1795200600"), TIME_RULE),
        (body(timestamp="2026-11-20T18:50:00"), TIME_RULE),
        (body(timestamp=1795200600), "timestamp: Input should be a valid datetime"),
    ],
)
def test_mistake_is_rejected_with_field_and_rule(sent: bytes, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(sent)
    assert caught.value.reason == "invalid_field"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "sent",
    [b"", b"\xff{}", body().replace(b"https", b"\xff"), TEST_BODY[:-1], b'{"a":' + b"[" * 60_000],
    ids=["empty", "not UTF-8", "skipped field not UTF-8", "cut", "deep"],
)
def test_body_that_is_not_json_is_unparseable(sent: bytes) -> None:
    with pytest.raises(Unparseable, match=r"^not JSON: "):
        decode(sent)
