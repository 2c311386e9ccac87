"""Live stats: the API key's file, and the poller beside the listeners."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from exporter import names
from exporter.errors import ConfigError
from exporter.secret_file import is_word, secrets
from exporter.settings import Settings
from exporter.streampixel.builds import SYSTEM
from exporter.streampixel.poller import REASONS, Poller
from exporter.watched import Watched

TIMEOUT: Final = 10.0
"""Seconds for a request, from the connection to the end of the answer."""


@asynccontextmanager
async def live_stats(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Poll while the block runs, if projects are set. Raises `ConfigError` for a wrong key file."""
    file, user = settings.live_stats_key_file, settings.live_stats_user
    if file is None or user is None:
        yield
        return
    from exporter.streampixel.client import StatsClient

    key = Watched(file, read_key, "file of the live stats key", time.monotonic)
    failures = failure_counter(registry)
    poller = Poller(
        settings.live_stats_projects,
        settings.live_stats_interval,
        StatsClient(settings.live_stats_url, user, key.now, TIMEOUT).users,
        lambda reason: failures.labels(SYSTEM, reason).inc(),
    )
    registry.register(poller)
    task = asyncio.create_task(poller.run(), name="live stats")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def failure_counter(registry: CollectorRegistry) -> Counter:
    """Failed polls by reason, from 0 on."""
    failures = Counter(
        names.LIVE_STATS_FAILURES,
        "Polls of the platform's live users that failed.",
        (names.SYSTEM, names.REASON),
        registry=registry,
    )
    for reason in REASONS:
        failures.labels(SYSTEM, reason)
    return failures


def read_key(path: Path) -> str:
    """The API key in a file. Raises `ConfigError` with file and line, never with their text."""
    lines = secrets(path, "file of the live stats key")
    if not lines:
        raise ConfigError(f"{path}: the file has no key: write it on one line")
    if len(lines) > 1:
        raise ConfigError(f"{path}:{lines[1][0]}: the file has a second key: write only one")
    number, key = lines[0]
    if not is_word(key):
        raise ConfigError(f"{path}:{number}: a key is one word of printable ASCII characters")
    return key
