"""The app is created in the background, and minutes are sampled without requests."""

import asyncio
import errno
from itertools import chain, repeat
from typing import Any
from unittest.mock import Mock

import pytest

from exporter.ops.lazy_app import LazyApp
from exporter.ops.recent_ends import RecentEnds
from tests.e2e.exporter_process import wait_for
from tests.metrics.still_ledger import StillLedger, total

REQUEST: Any = ({"path": "/metrics", "type": "http"}, None, None)


async def no_app(scope: Any, receive: Any, send: Any) -> None: ...


def test_sampling_goes_on_after_a_failed_sample() -> None:
    """Fails if the timer ends: pages would show no session ends until a restart."""
    counts = StillLedger().totals()
    totals = Mock(side_effect=chain([counts, RuntimeError("once")], repeat(counts)))

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        LazyApp(StillLedger(), lambda _: no_app, RecentEnds(totals), minute=0.01).prepare()
        await asyncio.to_thread(wait_for, lambda: totals.call_count > 4)

    asyncio.run(run())


def test_first_minute_begins_when_the_app_is_constructed() -> None:
    """Fails if the pages read other recent ends than those that are sampled, or if these are made later."""
    ledger, create = StillLedger([total(5)]), Mock(return_value=no_app)
    app = LazyApp(ledger, create)
    ledger.series = [total(12)]
    asyncio.run(app(*REQUEST))
    (recent_ends,) = create.call_args.args
    assert recent_ends.read().events_by_minute() == [7]


def test_failed_creation_is_repeated_at_the_next_request() -> None:
    """Fails if the failure is kept: every request would be answered 500 until a restart."""
    create = Mock(side_effect=[OSError(errno.EMFILE, "Too many open files"), no_app])

    async def run() -> None:
        app = LazyApp(StillLedger(), create)
        with pytest.raises(OSError, match="Too many open files"):
            await app(*REQUEST)
        await app(*REQUEST)
        await app(*REQUEST)

    asyncio.run(run())
    assert create.call_count == 2


def test_sampling_starts_once() -> None:
    recent_ends = Mock()

    async def run() -> None:
        app = LazyApp(StillLedger(), lambda _: no_app, recent_ends, minute=0.2)
        for _ in range(3):
            app.prepare()
        await asyncio.to_thread(wait_for, lambda: recent_ends.sample.called)

    asyncio.run(run())
    assert recent_ends.sample.call_count == 1
