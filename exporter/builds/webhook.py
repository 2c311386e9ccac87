"""`POST /v1/webhooks/streampixel/{token}`: the platform says what became of a build."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from exporter.builds.events import SYSTEM
from exporter.builds.last import last_builds
from exporter.builds.payload import Build, read
from exporter.errors import NothingValid, Rejected, WrongMediaType
from exporter.ingest.event import Rejection
from exporter.ingest.guard import Guard
from exporter.ingest.media import Media
from exporter.ingest.routes import Answer, Request
from exporter.ledger.contract import FINGERPRINT_BYTES, Batch, Ledger, Series
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics

log = Log("exporter.builds")

MAX_BODY: Final = 64 * 1024
"""Bytes; a documented payload has some three hundred."""
BUDGET: Final = 16 * MAX_BODY
"""Bytes of bodies being read at once: builds come one at a time."""
_NO_FINGERPRINT: Final = bytes(FINGERPRINT_BYTES)
"""Whatever else a repeated delivery says, it is the same event: a duplicate, and never a conflict."""


class BuildWebhook:
    """A route that counts each build event once; see `exporter.ingest.routes.Route`.

    The token at the end of the path is the sender's only secret: it is in no log line and no answer. The
    guard checks it like a bearer token, before anything of the body is read.
    """

    methods: tuple[str, ...] = ("POST",)

    def __init__(
        self,
        guard: Guard,
        ledger: Ledger,
        own: OwnMetrics,
        series: Mapping[str, Series],
        max_clock_skew: float,
        *,
        clock: Callable[[], float] = time.time,
        refused: Callable[[str, str], None] = lambda _reason, _message: None,
    ) -> None:
        self._guard = guard
        self._ledger = ledger
        self._own = own
        self._series = series
        self._skew = max_clock_skew
        self._clock = clock
        self._refused = refused
        # One at a time: two at once would each keep the other's time out.
        self._turn = asyncio.Lock()

    async def take(self, request: Request) -> Answer | None:
        """200 once the event is on disk; a repeated delivery is a duplicate, and as good."""
        token = request.rest.encode("utf-8", "replace")
        headers = {**request.headers, b"authorization": b"Bearer " + token}
        if self._guard.admit(request.method, headers, request.client) is not Media.JSON:
            raise WrongMediaType("a webhook's body is application/json")
        body = await self._guard.read(request.headers, request.receive)
        if body is None:
            return None
        try:
            build = self._timely(read(body))
        except Rejected as rejected:
            self._own.rejected.labels(rejected.reason).inc()
            self._refused(rejected.reason, rejected.message)
            one = Rejection(0, rejected.reason, rejected.message)
            raise NothingValid(rejected.message, [one.as_json()]) from None
        return _answer(await self._count(build))

    def _timely(self, build: Build) -> Build:
        now = self._clock()
        if build.at > now + self._skew:
            raise Rejected(
                "clock_skew",
                f"timestamp: {build.at - now:.0f} s in the future; at most {self._skew:g} s are allowed",
            )
        return build._replace(at=min(build.at, now))

    async def _count(self, build: Build) -> bool:
        """Whether it was new."""
        async with self._turn:
            # Events may arrive in another order than they happened: an earlier one is not the last.
            known = last_builds(self._ledger.totals()).get((SYSTEM, build.event), 0.0)
            last = repr(max(build.at, known))
            batch = Batch([self._series[build.event]], build.key, _NO_FINGERPRINT, None, [last])
            receipt = await self._ledger.commit(batch)
        if receipt.duplicates:
            self._own.duplicates.inc()
        else:
            log.info("build event counted", system=SYSTEM, build_event=build.event)
        return not receipt.duplicates


def _answer(new: bool) -> Answer:
    body = msgspec.json.encode({"accepted": int(new), "duplicates": int(not new), "rejected": []})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return 200, headers, body
