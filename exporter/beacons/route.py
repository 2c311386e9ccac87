"""`POST /v1/beacons/{key}`: checked as early and cheaply as possible, then counted like other events."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from exporter.beacons.decode import decode
from exporter.beacons.sites import Site, Sites, hash_key
from exporter.errors import OriginNotAllowed, RateLimited, Refused, UnknownKey
from exporter.ingest.app import Answer, Request, answer
from exporter.ingest.guard import Guard, media_type
from exporter.ingest.pipeline import Pipeline
from exporter.token_bucket import Limit, TokenBuckets, bucket_name
from exporter.watched import Watched

MAX_BODY: Final = 64 * 1024
"""Bytes: browsers send no more with `sendBeacon`, or with `fetch` and `keepalive` (the Fetch standard)."""
BYTES_PER_EVENT: Final = 1024
"""Every KiB of a beacon, or part of one, costs a token like an event. The collector's events are smaller.

Otherwise 64 KiB in an ignored field would cost one token, and decoding them would delay all other senders.
"""
_TYPES: Final = ("text/plain", "application/json")
"""Browsers send text/plain, and bytes without a type, to other origins without a preflight."""
_SIZE: Final = "; every KiB of a beacon, or part of one, counts as an event"
_VARY: Final = (b"vary", b"origin")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type"),
    # Chromium caches a preflight no longer than two hours.
    (b"access-control-max-age", b"7200"),
)


@dataclass
class BeaconRoute:
    """Counts beacons of `sites`. Keys are public: they only allow sending events, and answers reveal nothing.

    `address_limit` applies to each client address, a site's limit to all of its browsers together. `guard`
    reads bodies of at most `MAX_BODY`. `clock` counts seconds and never goes back.
    """

    sites: Watched[Sites]
    pipeline: Pipeline
    guard: Guard
    address_limit: Limit
    clock: Callable[[], float] = time.monotonic
    methods: tuple[str, ...] = ("POST", "OPTIONS")

    def __post_init__(self) -> None:
        self._addresses = TokenBuckets(self.clock)
        self._site_rates = TokenBuckets(self.clock)

    async def take(self, request: Request) -> Answer | None:
        """204 when every event is valid, 200 with the rejections otherwise."""
        site = self.sites.current().get(hash_key(request.last_segment))
        if site is None:
            raise UnknownKey(
                "no site has this key: it may have been replaced since the page loaded"
            )
        # Browsers send the page's origin with each POST and preflight; other senders use /v1/session-ends.
        origin = request.headers.get(b"origin", b"")
        if origin not in site.origins:
            fault = f"origin {origin.decode('latin-1')[:80]!r} is not one of the site's origins"
            refused = OriginNotAllowed(f"site {site.name!r}: {fault}")
            refused.headers = [_VARY]
            raise refused
        # `sendBeacon` always sends credentials: without `allow-credentials`, a browser drops its JSON.
        # The header gives pages no access: the exporter reads no credentials, and the origin is never `*`.
        cors = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            _VARY,
        ]
        if request.method == "OPTIONS":
            return 204, [*cors, *_PREFLIGHT], b""
        # Without this header, a page's script can't read Retry-After.
        cors.append((b"access-control-expose-headers", b"retry-after"))
        try:
            return await self._answer(request, site, cors)
        except Refused as refused:
            refused.headers = cors
            raise

    async def _answer(
        self, request: Request, site: Site, cors: list[tuple[bytes, bytes]]
    ) -> Answer | None:
        buckets = (
            (self._addresses, bucket_name(request.client), self.address_limit, "from one address"),
            (self._site_rates, site.name, site.limit, "with its keys"),
        )

        def charge(tokens: int, least: float) -> None:
            for table, name, limit, scope in buckets:
                if (wait := table.take(name, limit, tokens, least)) is not None:
                    rule = f"at most {limit.rate:g} events/s {scope}{_SIZE}"
                    raise RateLimited(f"site {site.name!r}: {rule}", retry_after=wait)

        charge(1, 1)
        self.guard.admit(request.method, request.headers, request.client)
        # `sendBeacon` sends an ArrayBuffer, and a Blob without a type, without Content-Type.
        media_type(request.headers.get(b"content-type", b"text/plain"), _TYPES)
        body = await self.guard.read(request.headers, request.receive)
        if body is None:
            return None
        # Bytes are charged before decoding: a body that can't be decoded costs time too. A charge fails while
        # there is a debt: a hundred concurrent requests, each admitted for one token, could count ten
        # thousand events, and the site's other browsers would be refused for minutes.
        size = max(0, len(body) - 1) // BYTES_PER_EVENT
        if size:
            charge(size, 0)
        decoded = decode(body, site, self.pipeline.clock(), self.pipeline.decoder.max_depth)
        more = decoded.total - 1 - size
        if more > 0:
            # The charge for bytes may have left a debt, which must not refuse the same request.
            charge(more, -math.inf if size else 0)
        # No browser waits for the answer, and an fsync for each beacon would delay other senders.
        counted = await self.pipeline.count(decoded, deferrable=True)
        # A conflict would reveal that the id was counted before: a reader of the key could abuse it.
        shown = [rejection for rejection in counted.rejected if rejection.reason != "conflict"]
        if not shown:
            return 204, cors, b""
        return answer(msgspec.json.encode({"rejected": shown}), *cors)
