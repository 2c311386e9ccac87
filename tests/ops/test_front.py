"""The ops listener's front: who is served before the app is there, and the minutes that are read."""

import asyncio
import errno
from typing import Any

import pytest

from exporter.ops.front import Front
from exporter.ops.history import History
from tests.metrics.still_ledger import StillLedger, total


async def nowhere(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers nothing."""


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is on another thread
            await asyncio.sleep(0.001)


def test_minutes_are_read_from_prepare_on_without_a_request() -> None:
    ledger = StillLedger([total(5)])
    history = History(ledger.totals, minute=0.01)

    async def run() -> None:
        front = Front(ledger, lambda: nowhere, history)
        assert len(history._readings) == 1
        front.prepare()
        await _until(lambda: len(history._readings) > 3)

    asyncio.run(run())


def test_what_comes_before_the_app_is_prepared_came_in_the_last_minutes() -> None:
    ledger = StillLedger([total(5)])
    history = History(ledger.totals)
    Front(ledger, lambda: nowhere, history)
    ledger.series = [total(12)]
    assert history.read().accepted(5) == 7


def test_minutes_are_read_on_although_a_reading_failed() -> None:
    """Without it the pages would say for the rest of the process that nothing happens."""
    ledger = StillLedger([total(5)])
    asked = 0

    def totals() -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError("once")
        return ledger.totals()

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        Front(ledger, lambda: nowhere, History(totals, minute=0.01)).prepare()
        await _until(lambda: asked > 4)

    asyncio.run(run())


def test_an_app_that_could_not_be_created_is_created_at_the_next_request() -> None:
    """Fails when the first failure is kept: a failed import answered 500 until a restart."""
    created = 0

    def create() -> Any:
        nonlocal created
        created += 1
        if created == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return nowhere

    async def run() -> None:
        front = Front(StillLedger(), create)
        request: Any = ({"path": "/metrics", "type": "http"}, None, None)
        with pytest.raises(OSError, match="Too many open files"):
            await front(*request)
        await front(*request)
        await front(*request)

    asyncio.run(run())
    assert created == 2


def test_preparing_twice_reads_each_minute_once() -> None:
    asked = 0
    ledger = StillLedger()

    def totals() -> Any:
        nonlocal asked
        asked += 1
        return ledger.totals()

    async def run() -> None:
        front = Front(ledger, lambda: nowhere, History(totals, minute=3600))
        for _ in range(3):
            front.prepare()
        await _until(lambda: asked)

    asyncio.run(run())
    assert asked == 1


def test_the_app_gets_the_history_with_each_request() -> None:
    ledger = StillLedger()
    history = History(ledger.totals)
    found: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["state"]["history"])

    async def run() -> None:
        await Front(ledger, lambda: app, history)({"path": "/", "type": "http"}, None, None)  # type: ignore[arg-type]

    asyncio.run(run())
    assert found == [history]
