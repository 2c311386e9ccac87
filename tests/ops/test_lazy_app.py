"""Before the pages' app is loaded: requests wait for it, and minutes are sampled."""

import asyncio
import errno
from typing import Any

import pytest

from exporter.ops.history import History
from exporter.ops.lazy_app import LazyApp
from tests.metrics.still_ledger import StillLedger, total


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers nothing."""


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.001)


def test_minutes_are_sampled_without_a_request_although_a_sample_failed() -> None:
    """Fails when a failed sample ends the timer: pages would show no session end until a restart."""
    asked = 0

    def totals() -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError("once")
        return StillLedger().totals()

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        LazyApp(StillLedger(), lambda: silent, History(totals, minute=0.01)).prepare()
        await _until(lambda: asked > 4)

    asyncio.run(run())


def test_events_before_the_app_is_loaded_are_in_the_first_minute() -> None:
    ledger = StillLedger([total(5)])
    history = History(ledger.totals)
    LazyApp(ledger, lambda: silent, history)
    ledger.series = [total(12)]
    assert history.read().events() == [7]


def test_an_app_that_could_not_be_created_is_created_at_the_next_request() -> None:
    """Fails when the first failure is kept: a failed import answered 500 until a restart."""
    created = 0

    def create() -> Any:
        nonlocal created
        created += 1
        if created == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return silent

    async def run() -> None:
        app = LazyApp(StillLedger(), create)
        request: Any = ({"path": "/metrics", "type": "http"}, None, None)
        with pytest.raises(OSError, match="Too many open files"):
            await app(*request)
        await app(*request)
        await app(*request)

    asyncio.run(run())
    assert created == 2


def test_preparing_twice_samples_each_minute_once() -> None:
    asked = 0

    def totals() -> Any:
        nonlocal asked
        asked += 1
        return StillLedger().totals()

    async def run() -> None:
        app = LazyApp(StillLedger(), lambda: silent, History(totals, minute=3600))
        for _ in range(3):
            app.prepare()
        await _until(lambda: asked)

    asyncio.run(run())
    assert asked == 1
