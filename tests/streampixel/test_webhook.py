"""The webhook's route: events are counted once, in any order; tokens are checked and throttled."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from exporter import names
from exporter.errors import (
    BodyTooLarge,
    NothingValid,
    TooManyRequests,
    Unauthorized,
    WrongMediaType,
)
from exporter.metrics.collector import LedgerCollector, zero_series
from exporter.streampixel.builds import EVENTS
from tests.metrics.still_ledger import two_systems
from tests.streampixel.payloads import body
from tests.streampixel.webhook import JSON, NOW, Webhook

TEN_MINUTES_AGO = NOW - 600


def run_with(folder: Path, steps: Callable[[Webhook], Awaitable[None]]) -> None:
    async def run() -> None:
        hook = await Webhook.open(folder)
        try:
            await steps(hook)
        finally:
            await hook.ledger.close()

    asyncio.run(run())


def builds(hook: Webhook, event: str) -> float | None:
    return hook.value(names.PLATFORM_BUILDS, event=event, system="streampixel")


def last(hook: Webhook, event: str) -> float | None:
    return hook.value(names.PLATFORM_LAST_BUILD, event=event, system="streampixel")


def test_every_event_is_zero_initialised_and_counted(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        assert {(builds(hook, event), last(hook, event)) for event in EVENTS} == {(0, 0)}
        for event in EVENTS:
            assert await hook.post(body(event)) == 200
        assert {builds(hook, event) for event in EVENTS} == {1}
        assert {last(hook, event) for event in EVENTS} == {TEN_MINUTES_AGO}

    run_with(tmp_path, steps)


def test_a_repeated_delivery_is_a_duplicate(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        for delivery in (body(), body(), body(status="Released")):
            assert await hook.post(delivery) == 200
        assert builds(hook, "build.approved") == 1
        assert hook.value(names.DUPLICATE_EVENTS) == 2
        assert hook.value(names.ACCEPTED_EVENTS) == 0

    run_with(tmp_path, steps)


def test_concurrent_deliveries_keep_the_latest_time(tmp_path: Path) -> None:
    """Fails without the lock: the earlier event, committed second, did not see the later time."""

    async def steps(hook: Webhook) -> None:
        later, earlier = body(), body(timestamp="2026-11-20T12:00:00Z")
        await asyncio.gather(*(hook.post(sent) for sent in (later, earlier, later, earlier)))
        assert builds(hook, "build.approved") == 2
        assert last(hook, "build.approved") == TEN_MINUTES_AGO

    run_with(tmp_path, steps)


def test_a_late_delivery_does_not_replace_the_last_time(tmp_path: Path) -> None:

    async def first(hook: Webhook) -> None:
        await hook.post(body())

    async def again(hook: Webhook) -> None:
        assert last(hook, "build.approved") == TEN_MINUTES_AGO
        await hook.post(body(timestamp="2026-11-20T12:00:00Z"))
        await hook.post(body())
        assert (builds(hook, "build.approved"), last(hook, "build.approved")) == (
            2,
            TEN_MINUTES_AGO,
        )

    run_with(tmp_path, first)
    run_with(tmp_path, again)


def test_a_future_time_is_capped_or_rejected(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        await hook.post(body(timestamp="2026-11-20T19:04:59Z"))
        assert last(hook, "build.approved") == NOW
        with pytest.raises(NothingValid) as caught:
            await hook.post(body(timestamp="2026-11-20T19:06:00Z"))
        message = "timestamp: 360 s in the future; at most 300 s are allowed"
        assert caught.value.rejected == [{"index": 0, "reason": "clock_skew", "message": message}]
        assert hook.rejections == [("clock_skew", message)]
        assert hook.value(names.REJECTED_EVENTS, reason="clock_skew") == 1
        assert builds(hook, "build.approved") == 1

    run_with(tmp_path, steps)


def test_an_unknown_event_is_rejected(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        with pytest.raises(NothingValid, match=r"'build.exploded' is not one of build.uploaded, "):
            await hook.post(body("build.exploded"))
        assert hook.value(names.REJECTED_EVENTS, reason="invalid_field") == 1
        assert builds(hook, "build.exploded") is None

    run_with(tmp_path, steps)


@pytest.mark.parametrize("token", ["", "hook-0123456789abcdeF", "hook-0123456789abcde", "é"])
def test_a_wrong_token_is_refused_and_not_echoed(tmp_path: Path, token: str) -> None:
    async def steps(hook: Webhook) -> None:
        with pytest.raises(Unauthorized) as caught:
            await hook.post(body(), token)
        assert caught.value.detail == "the token is not valid"
        assert builds(hook, "build.approved") == 0

    run_with(tmp_path, steps)


def test_wrong_tokens_are_throttled_and_a_valid_one_passes(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        for _ in range(10):
            with pytest.raises(Unauthorized):
                await hook.post(body(), "guess")
        with pytest.raises(TooManyRequests):
            await hook.post(body(), "guess")
        assert await hook.post(body()) == 200

    run_with(tmp_path, steps)


def test_an_authorization_header_does_not_replace_the_token(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        with pytest.raises(Unauthorized):
            await hook.post(
                body(), "guess", JSON | {b"authorization": b"Bearer hook-0123456789abcdef"}
            )

    run_with(tmp_path, steps)


def test_a_body_over_64_kib_is_refused(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        for headers in (JSON, JSON | {b"content-length": b"70000"}):
            with pytest.raises(
                BodyTooLarge, match=r"at most 65536 bytes, .*the limit of a webhook"
            ):
                await hook.post(body(fileUrl="x" * 70_000), headers=headers)

    run_with(tmp_path, steps)


@pytest.mark.parametrize(
    "headers",
    [{}, {b"content-type": b"text/plain"}, {b"content-type": b"application/x-ndjson"}],
)
def test_another_content_type_is_refused(tmp_path: Path, headers: dict[bytes, bytes]) -> None:
    async def steps(hook: Webhook) -> None:
        with pytest.raises(WrongMediaType):
            await hook.post(body(), headers=headers)

    run_with(tmp_path, steps)


def test_builds_are_not_counted_as_session_ends(tmp_path: Path) -> None:
    async def steps(hook: Webhook) -> None:
        hook.registry.register(LedgerCollector(("region",), hook.ledger))
        await hook.post(body())
        for name in (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS):
            assert hook.value(name) is None
        assert "builds" not in {series.family.value for series in zero_series(two_systems(), ())}

    run_with(tmp_path, steps)
