"""Live stats made from the settings, and running beside the listeners."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry

from exporter.builds.events import SYSTEM
from exporter.live.client import Client
from exporter.live.collector import LiveCollector, failures
from exporter.live.key import read_key
from exporter.live.poller import TIMEOUT, Poller, questions
from exporter.settings import Settings
from exporter.watched import Watched


@asynccontextmanager
async def live_stats(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Asks while the block runs, and not at all when no projects are set.

    Raises `ConfigError` when the key's file is wrong at the start.
    """
    file, user = settings.live_stats_key_file, settings.live_stats_user
    if file is None or user is None:
        yield
        return
    key = Watched(file, read_key, "file of the live stats key", time.monotonic)
    failed = failures(registry)
    poller = Poller(
        settings.live_stats_projects,
        settings.live_stats_interval,
        Client(settings.live_stats_url, TIMEOUT),
        questions(settings.live_stats_url, user, key.now),
        lambda reason: failed.labels(SYSTEM, reason).inc(),
    )
    registry.register(LiveCollector(poller))
    task = asyncio.create_task(poller.run(), name="live stats")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
