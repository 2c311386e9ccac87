"""`POST /v1/webhooks/streampixel/{token}`: counts Streampixel's build events."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from exporter.errors import NothingValid, Rejected, WrongMediaType
from exporter.ingest.event import Rejection
from exporter.ingest.guard import Guard
from exporter.ingest.media import Media
from exporter.ingest.routes import Answer, Request
from exporter.ledger.contract import FINGERPRINT_BYTES, Batch, Ledger, Series
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.streampixel.builds import SYSTEM, last_build_times
from exporter.streampixel.payload import Build, decode

log = Log("exporter.streampixel")

MAX_BODY: Final = 64 * 1024
"""Bytes; a documented payload has about 300."""
BUDGET: Final = 16 * MAX_BODY
"""Bytes of bodies that may be read at the same time."""
_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_FINGERPRINT: Final = bytes(FINGERPRINT_BYTES)
"""Equal for all events: a repeated delivery is a duplicate, never a conflict."""


@dataclass
class BuildWebhook:
    """A route that counts each build event once; see `exporter.ingest.routes.Route`.

    The token at the end of the path is the sender's only secret: no log line and no answer contains it.
    The guard checks it as it checks a bearer token, before the body is read.
    """

    guard: Guard
    ledger: Ledger
    own: OwnMetrics
    series: Mapping[str, Series]
    max_clock_skew: float
    rejected: Callable[[str, str], None]
    clock: Callable[[], float] = time.time
    methods: tuple[str, ...] = ("POST",)

    def __post_init__(self) -> None:
        self._commit_lock = asyncio.Lock()

    async def take(self, request: Request) -> Answer | None:
        """200 once the event is on disk, also for a repeated delivery."""
        token = request.rest.encode("utf-8", "replace")
        headers = {**request.headers, b"authorization": b"Bearer " + token}
        if self.guard.admit(request.method, headers, request.client) is not Media.JSON:
            raise WrongMediaType("a webhook's body is application/json")
        body = await self.guard.read(request.headers, request.receive)
        if body is None:
            return None
        try:
            build = self._check_time(decode(body))
        except Rejected as error:
            self.own.rejected.labels(error.reason).inc()
            self.rejected(error.reason, error.message)
            rejection = Rejection(0, error.reason, error.message)
            raise NothingValid(error.message, [rejection.as_json()]) from None
        duplicates = await self._commit(build)
        answer = msgspec.json.encode(
            {"accepted": 1 - duplicates, "duplicates": duplicates, "rejected": []}
        )
        length = (b"content-length", b"%d" % len(answer))
        return 200, [(b"content-type", b"application/json"), length, _NO_STORE], answer

    def _check_time(self, build: Build) -> Build:
        now = self.clock()
        if build.at > now + self.max_clock_skew:
            raise Rejected(
                "clock_skew",
                f"timestamp: {build.at - now:.0f} s in the future; "
                f"at most {self.max_clock_skew:g} s are allowed",
            )
        return build._replace(at=min(build.at, now))

    async def _commit(self, build: Build) -> int:
        """Count the event; 1 if it is a duplicate, else 0."""
        # Without the lock, two commits would read the same last time and the earlier could win.
        async with self._commit_lock:
            # Events may arrive out of order: an earlier event must not replace the last time.
            known = last_build_times(self.ledger.totals()).get(build.event, 0.0)
            last = repr(max(build.at, known))
            batch = Batch([self.series[build.event]], build.key, _NO_FINGERPRINT, None, [last])
            duplicates = (await self.ledger.commit(batch)).duplicates
        if duplicates:
            self.own.duplicates.inc()
        else:
            log.info("build event counted", system=SYSTEM, build_event=build.event)
        return duplicates
