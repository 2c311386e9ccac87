"""Live stats: the API key's file, the metrics, and the poller beside the listeners."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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
    registry.register(LiveUsersCollector(poller))
    task = asyncio.create_task(poller.run(), name="live stats")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def read_key(path: Path) -> str:
    """The API key in a file. Raises `ConfigError` with file and line, never with their text."""
    lines = secrets(path, "file of the live stats key")
    if not lines:
        raise ConfigError(f"{path}: there is no key in it")
    if len(lines) > 1:
        raise ConfigError(f"{path}:{lines[1][0]}: a second key; there is one account")
    number, key = lines[0]
    if not is_word(key):
        raise ConfigError(f"{path}:{number}: a key is one word of printable ASCII characters")
    return key


def failure_counter(registry: CollectorRegistry) -> Counter:
    """Failed polls by reason, each zero-initialized."""
    counter = Counter(
        names.LIVE_STATS_FAILURES,
        "Polls of the platform's live users that failed.",
        (names.SYSTEM, names.REASON),
        registry=registry,
    )
    for reason in REASONS:
        counter.labels(SYSTEM, reason)
    return counter


class LiveUsersCollector(Collector):
    """Exports a poller's numbers; a project whose users are unknown has no sample."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def collect(self) -> Iterable[Metric]:
        families = live, queued, success = [
            GaugeMetricFamily(name, text, labels=(names.SYSTEM, names.PROJECT))
            for name, text in (
                (names.LIVE_USERS, "Users streaming now, as the platform reports them."),
                (names.QUEUED_USERS, "Users waiting for a worker, as the platform reports them."),
                (names.LIVE_STATS_SUCCESS, "Time of the last answer, Unix time; 0 for never."),
            )
        ]
        for project in self._poller.projects:
            labels = (SYSTEM, project.id)
            success.add_metric(labels, project.last_success)
            if users := self._poller.fresh_users(project):
                live.add_metric(labels, users.live)
                queued.add_metric(labels, users.queued)
        return families
