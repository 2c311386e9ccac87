"""Live stats: polls the users of each project, one project at a time, and exports them.

A failure is counted and logged and delays the next poll; it never affects ingest.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.errors import ConfigError
from exporter.logs import Log
from exporter.secret_file import is_word, secrets
from exporter.settings import Settings
from exporter.streampixel.builds import SYSTEM
from exporter.watched import Watched

log = Log("exporter.streampixel")

REASONS: Final = (
    "timeout",
    "connection",
    "unauthorized",
    "not_found",
    "throttled",
    "server_error",
    "bad_answer",
    "internal",
)
"""Why a poll failed; docs/builds.md describes each."""
MAX_DELAY: Final = 600.0
"""Seconds between polls of a project that fails: recovery is seen within ten minutes. Also the longest
interval: SessionEndExporterLiveStatsFailed allows for two failures in a row."""
FRESH_INTERVALS: Final = 3
"""Intervals after which numbers are not exported: a queue of an hour ago would mislead."""
TIMEOUT: Final = 10.0
"""Seconds for a request, from the connection to the end of the answer."""

Users = tuple[float, float]
"""Users of a project: streaming now, and waiting for a worker."""


@dataclass(eq=False)
class PollFailed(Exception):
    """`reason` is one of `REASONS`; `detail` is for the log and never contains the key."""

    reason: str
    detail: str
    retry_after: float = 0.0
    """Seconds: the platform's minimum delay."""


@dataclass(slots=True)
class Project:
    """`due` and `answered` are times of the poller's clock, `last_success` is Unix time or 0."""

    # The event loop changes a project; scrapes read it in another thread.
    id: str
    due: float
    users: Users | None = None
    answered: float = 0.0
    last_success: float = 0.0
    failures: int = 0
    delay: float = 0.0  # after the last failure, in seconds


@dataclass(eq=False)
class Poller(Collector):
    """Calls `fetch` with each project's id every `interval` seconds. Polls of several projects are spread
    evenly over the interval."""

    ids: Sequence[str]
    interval: float
    fetch: Callable[[str], Awaitable[Users]]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        self.failures = dict.fromkeys(REASONS, 0)
        start, distance = self.clock(), self.interval / len(self.ids)
        self.projects = [Project(name, start + i * distance) for i, name in enumerate(self.ids)]

    def collect(self) -> Iterable[Metric]:
        """Failed polls by reason, and the gauges of all projects. Users that are unknown or too old have no
        sample."""
        failed = CounterMetricFamily(
            names.LIVE_STATS_FAILURES,
            "Polls of the platform's live users that failed.",
            labels=(names.SYSTEM, names.REASON),
        )
        for reason, count in self.failures.items():
            failed.add_metric((SYSTEM, reason), count)
        families = live, queued, success = [
            GaugeMetricFamily(name, text, labels=(names.SYSTEM, names.PROJECT))
            for name, text in (
                (names.LIVE_USERS, "Users streaming now, as the platform reports them."),
                (names.QUEUED_USERS, "Users waiting for a worker, as the platform reports them."),
                (names.LIVE_STATS_SUCCESS, "Unix time of the last successful poll; 0 for never."),
            )
        ]
        longest = FRESH_INTERVALS * self.interval
        for project in self.projects:
            labels = (SYSTEM, project.id)
            success.add_metric(labels, project.last_success)
            if project.users and self.clock() - project.answered <= longest:
                for family, users in zip((live, queued), project.users, strict=True):
                    family.add_metric(labels, users)
        return [failed, *families]

    async def run(self) -> None:
        """Poll until the task is cancelled."""
        while True:
            project = min(self.projects, key=lambda project: project.due)
            await self.sleep(max(0.0, project.due - self.clock()))
            await self.poll(project)

    async def poll(self, project: Project) -> None:
        start = self.clock()
        try:
            users = await self.fetch(project.id)
        except PollFailed as failure:
            self._fail(project, failure)
        except Exception:
            # An exception would end the task, and the metrics would keep their last values.
            log.error("defect", exc_info=True)
            self._fail(project, PollFailed("internal", "a defect of the exporter"))
        else:
            if project.failures:
                log.info("live stats recovered", project=project.id, failures=project.failures)
            project.users, project.answered = users, self.clock()
            project.last_success = time.time()
            project.failures, project.delay = 0, 0.0
            project.due = start + self.interval

    def _fail(self, project: Project, failure: PollFailed) -> None:
        self.failures[failure.reason] += 1
        project.delay = min(2 * project.delay or self.interval, MAX_DELAY)
        delay = max(project.delay, failure.retry_after)
        # Jitter, so that two exporters do not poll at the same time.
        project.due = self.clock() + delay * random.uniform(1, 1.1)  # noqa: S311
        if failure.reason == "throttled":
            # Streampixel's rate limits are per account.
            for other in self.projects:
                other.due = max(other.due, project.due)
        if not project.failures:
            fields = {"reason": failure.reason, "detail": failure.detail}
            log.warning("live stats failed", project=project.id, **fields)
        project.failures += 1


@asynccontextmanager
async def live_stats(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Poll while the block runs, if projects are set. Raises `ConfigError` for a wrong key file."""
    file, user = settings.live_stats_key_file, settings.live_stats_user
    if file is None or user is None:
        yield
        return
    from exporter.streampixel.client import StatsClient

    key = Watched((file,), read_key, "file of the live stats key", time.monotonic)
    poller = Poller(
        settings.live_stats_projects,
        settings.live_stats_interval,
        StatsClient(settings.live_stats_url, user, key.current, TIMEOUT).users,
    )
    registry.register(poller)
    task = asyncio.create_task(poller.run(), name="live stats")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def read_key(path: Path) -> str:
    """The API key in a file. Raises `ConfigError`, never with the key."""
    lines = secrets(path)
    if len(lines) != 1 or not is_word(lines[0][1]):
        raise ConfigError(
            f"{path}: the key must be one word of printable ASCII characters on one line"
        )
    return lines[0][1]
