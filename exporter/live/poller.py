"""Asks the platform about each project in turn, one question at a time and never in a hurry.

Nothing here touches ingest: a failure is counted and logged, and the next question waits longer.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from exporter.live.client import Client
from exporter.live.failures import Failure
from exporter.live.project import Project
from exporter.live.stats import counts, target
from exporter.logs import Log

log = Log("exporter.live")

TIMEOUT: Final = 10.0
"""Seconds for a whole answer, from the connection on."""


class Poller:
    """`question` gives, for a project's id, what to ask and the key in it; `failed` is called with each
    failure's reason.

    Questions about one project begin at least `interval` seconds apart, and those about several are
    spread over it. `clock` counts seconds and never goes back, `wall` is Unix time.
    """

    def __init__(
        self,
        projects: Sequence[str],
        interval: float,
        client: Client,
        question: Callable[[str], tuple[str, str]],
        failed: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.interval = interval
        self.clock = clock
        self._client = client
        self._question = question
        self._failed = failed
        self._wall = wall
        self._jitter = jitter
        self._sleep = sleep
        now, apart = clock(), interval / max(len(projects), 1)
        self.projects = [Project(one, now + place * apart) for place, one in enumerate(projects)]

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            project = min(self.projects, key=lambda one: one.due)
            await self._sleep(max(0.0, project.due - self.clock()))
            await self.poll(project)

    async def poll(self, project: Project) -> None:
        """Ask about one project now."""
        asked = self.clock()
        try:
            path, key = self._question(project.id)
            found = counts(await self._client.get(path), key)
        except Failure as failure:
            self._note(project, failure)
        except Exception:
            # A task that dies of a defect leaves counts that stand still.
            log.error("defect", exc_info=True)
            self._note(project, Failure("internal", "a defect of the exporter"))
        else:
            failures = project.failures
            project.succeeded(found, asked, self.clock(), self._wall(), self.interval)
            if failures:
                log.info("live stats are back", project=project.id, failures=failures)

    def _note(self, project: Project, failure: Failure) -> None:
        self._failed(failure.reason)
        before, now = project.reason, self.clock()
        project.failed(failure.reason, now, self.interval, failure.retry_after, self._jitter())
        if failure.reason == "throttled":
            # The limits are the account's, whichever project reached them.
            for one in self.projects:
                one.due = max(one.due, project.due)
        if before != failure.reason:
            log.warning(
                "live stats failed",
                project=project.id,
                reason=failure.reason,
                detail=failure.detail,
            )


def questions(url: str, user: str, key: Callable[[], str]) -> Callable[[str], tuple[str, str]]:
    """What is asked about a project, and the key in it, which is read anew each time."""

    def question(project: str) -> tuple[str, str]:
        now = key()
        return target(url, project, user, now), now

    return question
