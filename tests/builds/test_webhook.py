"""The webhook's route: each event once, its time the last one's, and the token checked first."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from exporter import names
from exporter.builds.events import EVENTS
from exporter.errors import (
    BodyTooLarge,
    NothingValid,
    TooManyRequests,
    Unauthorized,
    WrongMediaType,
)
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.zero import zero_series
from tests.builds.hook import JSON, NOW, Hook
from tests.builds.payloads import body
from tests.metrics.still_ledger import two_systems

TEN_MINUTES_AGO = NOW - 600


def on(folder: Path, what: Callable[[Hook], Awaitable[None]]) -> None:
    async def run() -> None:
        hook = await Hook.open(folder)
        try:
            await what(hook)
        finally:
            await hook.ledger.close()

    asyncio.run(run())


def builds(hook: Hook, event: str) -> float | None:
    return hook.value(names.PLATFORM_BUILDS, event=event, system="streampixel")


def last(hook: Hook, event: str) -> float | None:
    return hook.value(names.PLATFORM_LAST_BUILD, event=event, system="streampixel")


def test_every_event_is_there_at_0_before_it_happens_and_counted_when_it_did(
    tmp_path: Path,
) -> None:
    async def what(hook: Hook) -> None:
        assert [(builds(hook, one), last(hook, one)) for one in EVENTS] == [(0, 0)] * len(EVENTS)
        for one in EVENTS:
            assert await hook.post(body(one)) == 200
        assert [builds(hook, one) for one in EVENTS] == [1] * len(EVENTS)
        assert {last(hook, one) for one in EVENTS} == {TEN_MINUTES_AGO}

    on(tmp_path, what)


def test_a_repeated_delivery_is_a_duplicate_and_as_good(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        for given in (body(), body(), body(status="Released")):
            assert await hook.post(given) == 200
        assert builds(hook, "build.approved") == 1
        assert hook.value(names.DUPLICATE_EVENTS) == 2
        assert hook.value(names.ACCEPTED_EVENTS) == 0

    on(tmp_path, what)


def test_deliveries_at_once_are_counted_once_and_the_latest_event_is_the_last(
    tmp_path: Path,
) -> None:
    """Fails without the turn: the earlier event, second in the queue, did not know of the later one."""

    async def what(hook: Hook) -> None:
        later, earlier = body(), body(timestamp="2026-11-20T12:00:00Z")
        await asyncio.gather(*(hook.post(one) for one in (later, earlier, later, earlier)))
        assert builds(hook, "build.approved") == 2
        assert last(hook, "build.approved") == TEN_MINUTES_AGO

    on(tmp_path, what)


def test_an_event_that_comes_after_a_later_one_is_counted_and_is_not_the_last(
    tmp_path: Path,
) -> None:
    """Fails without the comparison with what the ledger knows, after a restart too."""

    async def first(hook: Hook) -> None:
        await hook.post(body())

    async def again(hook: Hook) -> None:
        assert last(hook, "build.approved") == TEN_MINUTES_AGO
        await hook.post(body(timestamp="2026-11-20T12:00:00Z"))
        await hook.post(body())
        assert (builds(hook, "build.approved"), last(hook, "build.approved")) == (
            2,
            TEN_MINUTES_AGO,
        )

    on(tmp_path, first)
    on(tmp_path, again)


def test_a_time_a_little_in_the_future_is_now_and_one_further_is_rejected(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        await hook.post(body(timestamp="2026-11-20T19:04:59Z"))
        assert last(hook, "build.approved") == NOW
        with pytest.raises(NothingValid) as caught:
            await hook.post(body(timestamp="2026-11-20T19:06:00Z"))
        message = "timestamp: 360 s in the future; at most 300 s are allowed"
        assert caught.value.rejected == [{"index": 0, "reason": "clock_skew", "message": message}]
        assert hook.logged == [("clock_skew", message)]
        assert hook.value(names.REJECTED_EVENTS, reason="clock_skew") == 1
        assert builds(hook, "build.approved") == 1

    on(tmp_path, what)


def test_an_unknown_event_is_rejected_counted_and_adds_no_series(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        with pytest.raises(NothingValid, match=r"'build.exploded' is not one of build.uploaded, "):
            await hook.post(body("build.exploded"))
        assert hook.value(names.REJECTED_EVENTS, reason="invalid_field") == 1
        assert builds(hook, "build.exploded") is None

    on(tmp_path, what)


@pytest.mark.parametrize("token", ["", "hook-0123456789abcdeF", "hook-0123456789abcde", "é"])
def test_a_wrong_token_is_refused_without_being_repeated(tmp_path: Path, token: str) -> None:
    async def what(hook: Hook) -> None:
        with pytest.raises(Unauthorized) as caught:
            await hook.post(body(), token)
        assert caught.value.detail == "the token is not valid"
        assert builds(hook, "build.approved") == 0

    on(tmp_path, what)


def test_guessing_is_throttled_and_a_valid_token_passes_nevertheless(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        for _ in range(10):
            with pytest.raises(Unauthorized):
                await hook.post(body(), "guess")
        with pytest.raises(TooManyRequests):
            await hook.post(body(), "guess")
        assert await hook.post(body()) == 200

    on(tmp_path, what)


def test_an_authorization_header_does_not_stand_in_for_the_token(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        with pytest.raises(Unauthorized):
            await hook.post(
                body(), "guess", JSON | {b"authorization": b"Bearer hook-0123456789abcdef"}
            )

    on(tmp_path, what)


def test_more_than_64_kib_are_refused_declared_or_not(tmp_path: Path) -> None:
    async def what(hook: Hook) -> None:
        for headers in (JSON, JSON | {b"content-length": b"70000"}):
            with pytest.raises(
                BodyTooLarge, match=r"at most 65536 bytes, .*the limit of a webhook"
            ):
                await hook.post(body(fileUrl="x" * 70_000), headers=headers)

    on(tmp_path, what)


@pytest.mark.parametrize(
    "headers",
    [{}, {b"content-type": b"text/plain"}, {b"content-type": b"application/x-ndjson"}],
)
def test_a_body_that_is_not_said_to_be_json_is_refused(
    tmp_path: Path, headers: dict[bytes, bytes]
) -> None:
    async def what(hook: Hook) -> None:
        with pytest.raises(WrongMediaType):
            await hook.post(body(), headers=headers)

    on(tmp_path, what)


def test_builds_are_in_none_of_the_counters_of_session_ends(tmp_path: Path) -> None:
    """Fails when the zero series go through all families."""

    async def what(hook: Hook) -> None:
        hook.registry.register(LedgerCollector(("region",), hook.ledger))
        await hook.post(body())
        for name in (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS):
            assert hook.value(name) is None
        assert "builds" not in {one.family.value for one in zero_series(two_systems(), ())}

    on(tmp_path, what)
