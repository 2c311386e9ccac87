"""`POST /v1/beacons/{key}`: refused as early and as cheaply as can be told, counted like any other event."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from exporter.beacons.buckets import Buckets, Limit
from exporter.beacons.decode import decode
from exporter.beacons.keys import digest
from exporter.beacons.sites import Site, Sites
from exporter.errors import (
    OriginNotAllowed,
    QueueFull,
    RateLimited,
    Refused,
    UnknownKey,
    WrongEncoding,
    WrongMediaType,
)
from exporter.ingest.event import Decoded
from exporter.ingest.guard import Guard, Headers
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.routes import Answer, Request
from exporter.tokens import host
from exporter.watched import Watched

MAX_BODY: Final = 64 * 1024
"""Bytes: browsers send no more with `sendBeacon`, or with `fetch` and `keepalive` (the Fetch standard)."""
_MAX_AGE: Final = 7200
"""Seconds for which a preflight's answer is kept: Chromium keeps none longer."""
BYTES_PER_EVENT: Final = 1024
"""Each started KiB of a beacon costs as much as an event, and the collector's events are smaller.

64 KiB in a field that nobody reads had the price of one event, and decoding them kept other senders waiting.
"""
_TYPES: Final = ("text/plain", "application/json")
_SIZE: Final = "; each started KiB of a beacon counts as an event"
_VARY: Final = (b"vary", b"origin")


class BeaconRoute:
    """Takes beacons of `sites`: their keys write and read nothing, so that anybody may know them.

    `address` limits each client address, a site's own limit all of its browsers. `guard` reads bodies of
    at most `MAX_BODY`. At most `queue_events` events of beacons wait for the ledger, a share of its
    queue, which a flood must not fill. `clock` counts seconds and never goes back, `wall` is Unix time.
    """

    methods: tuple[str, ...] = ("POST", "OPTIONS")

    def __init__(
        self,
        sites: Watched[Sites],
        pipeline: Pipeline,
        guard: Guard,
        address: Limit,
        max_depth: int,
        queue_events: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._sites = sites
        self._pipeline = pipeline
        self._guard = guard
        self._address = address
        self._max_depth = max_depth
        self._queue_events = queue_events
        self._wall = wall
        self._addresses = Buckets(clock)
        self._rates = Buckets(clock)
        self._waiting = 0

    async def take(self, request: Request) -> Answer | None:
        """204 when nothing was wrong with any event, 200 with those that were rejected.

        Neither says whether an event was counted before: that could be read with a key.
        """
        site = self._sites.now().get(digest(request.rest))
        if site is None:
            raise UnknownKey(
                "no site has this key: it may have been replaced since the page loaded"
            )
        # Browsers name the page's origin with each POST and preflight; who has none to name is no
        # browser, and has /v1/session-ends.
        origin = request.headers.get(b"origin", b"")
        if origin not in site.origins:
            named = f"origin {origin.decode('latin-1')[:80]!r}" if origin else "no Origin"
            refused = OriginNotAllowed(f"site {site.name!r}: {named} is not one of its pages'")
            refused.headers = [_VARY]
            raise refused
        cors = [(b"access-control-allow-origin", origin), _VARY]
        if request.method == "OPTIONS":
            return 204, [*cors, *_PREFLIGHT], b""
        # Without this a page's script can't see for how long it is to wait.
        cors.append((b"access-control-expose-headers", b"retry-after"))
        try:
            self._admit(request, site)
            body = await self._guard.read(request.headers, request.receive)
            if body is None:
                return None
            # Before anything is decoded: a body of which nothing can be read has to cost its bytes too.
            size = max(0, -(-len(body) // BYTES_PER_EVENT) - 1)
            if size:
                self._charge(size, f"{len(body)} bytes", request, site)
            decoded = decode(body, site, self._wall(), self._max_depth)
            more = decoded.total - 1 - size
            if more > 0 and size:
                self._owe(more, request, site)
            elif more > 0:
                self._charge(more, f"{decoded.total} events", request, site)
            return await self._count(decoded, cors)
        except Refused as refused:
            refused.headers = cors
            raise

    def _admit(self, request: Request, site: Site) -> None:
        """Everything that is decided before the body is read. Raises a `Refused`."""
        wait = self._addresses.take(host(request.client), self._address)
        if wait is not None:
            raise RateLimited(
                f"site {site.name!r}: at most {self._address.rate:g} events/s from one address{_SIZE}",
                retry_after=wait,
            )
        wait = self._rates.take(site.name, site.limit)
        if wait is not None:
            raise RateLimited(
                f"site {site.name!r}: at most {site.limit.rate:g} events/s with its keys{_SIZE}",
                retry_after=wait,
            )
        _check_type(request.headers)
        self._guard.measure(request.headers)

    def _charge(self, more: int, what: str, request: Request, site: Site) -> None:
        """Pay for more than one event. Raises `RateLimited`.

        A hundred requests that were let in before one's body came were ten thousand events, and kept all of
        the site's browsers out for minutes.
        """
        wait = self._addresses.charge(host(request.client), self._address, more)
        if wait is None:
            wait = self._rates.charge(site.name, site.limit, more)
        if wait is not None:
            raise RateLimited(
                f"site {site.name!r}: {what} in one beacon, and an earlier one used up the rate{_SIZE}",
                retry_after=wait,
            )

    def _owe(self, more: int, request: Request, site: Site) -> None:
        """Pay more for a request that was charged a moment ago, whatever that left."""
        self._addresses.owe(host(request.client), self._address, more)
        self._rates.owe(site.name, site.limit, more)

    async def _count(self, decoded: Decoded, cors: list[tuple[bytes, bytes]]) -> Answer:
        if self._waiting and self._waiting + decoded.total > self._queue_events:
            raise QueueFull(f"{self._waiting} events of browsers are waiting for the disk")
        self._waiting += decoded.total
        try:
            # Nobody waits for the answer, and an fsync for each was what other senders waited for.
            rejected = await self._pipeline.count(decoded, deferrable=True)
        finally:
            self._waiting -= decoded.total
        # Which id was counted with other content is not for everybody to know.
        said = [one.as_json() for one in rejected if one.reason != "conflict"]
        if not said:
            return 204, cors, b""
        body = msgspec.json.encode({"rejected": said})
        length = (b"content-length", b"%d" % len(body))
        return 200, [*cors, (b"content-type", b"application/json"), length], body


_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-max-age", b"%d" % _MAX_AGE),
)


def _check_type(headers: Headers) -> None:
    _check_media(headers.get(b"content-type", b""))
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity":
        raise WrongEncoding(f"Content-Encoding {encoding[:40]!r}: a beacon is sent as it is")


@lru_cache(maxsize=256)
def _check_media(content_type: bytes) -> None:
    """Raises `WrongMediaType`: text/plain is what browsers send to other origins without asking first."""
    name, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    if name not in _TYPES:
        what = f"Content-Type {name[:80]!r}" if content_type else "no Content-Type"
        raise WrongMediaType(f"{what}: it must be {' or '.join(_TYPES)}")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8", "us-ascii"):
            raise WrongMediaType(f"charset {value[:40]!r}: JSON is UTF-8")
