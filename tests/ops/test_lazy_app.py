"""The app is created in the background, and minutes are sampled without requests."""

import asyncio
import errno
from typing import Any

import pytest

from exporter.ledger.contract import Totals
from exporter.ops.history import History
from exporter.ops.lazy_app import LazyApp
from tests.e2e.exporter_process import wait_for
from tests.metrics.still_ledger import StillLedger, total


async def no_app(scope: Any, receive: Any, send: Any) -> None: ...


def test_sampling_goes_on_after_a_failed_sample() -> None:
    """Fails if the timer ends: pages would show no session ends until a restart."""
    reads = 0

    def totals() -> Totals:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise RuntimeError("once")
        return StillLedger().totals()

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        LazyApp(StillLedger(), lambda: no_app, History(totals), minute=0.01).prepare()
        await asyncio.to_thread(wait_for, lambda: reads > 4)

    asyncio.run(run())


def test_first_minute_begins_when_the_app_is_constructed() -> None:
    ledger = StillLedger([total(5)])
    app = LazyApp(ledger, lambda: no_app)
    ledger.series = [total(12)]
    scope: Any = {"path": "/metrics", "type": "http"}
    asyncio.run(app(scope, None, None))  # type: ignore[arg-type]
    assert scope["state"]["history"].read().events() == [7]


def test_failed_creation_is_repeated_at_the_next_request() -> None:
    """Fails if the failure is kept: every request would be answered 500 until a restart."""
    calls = 0

    def create() -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return no_app

    async def run() -> None:
        app = LazyApp(StillLedger(), create)
        request: Any = ({"path": "/metrics", "type": "http"}, None, None)
        with pytest.raises(OSError, match="Too many open files"):
            await app(*request)
        await app(*request)
        await app(*request)

    asyncio.run(run())
    assert calls == 2


def test_sampling_starts_once() -> None:
    samples = 0

    class CountingHistory(History):
        def sample(self) -> None:
            nonlocal samples
            samples += 1

    async def run() -> None:
        history = CountingHistory(StillLedger().totals)
        app = LazyApp(StillLedger(), lambda: no_app, history, minute=0.2)
        for _ in range(3):
            app.prepare()
        await asyncio.to_thread(wait_for, lambda: samples > 0)

    asyncio.run(run())
    assert samples == 1
