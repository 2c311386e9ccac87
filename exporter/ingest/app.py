"""The ingest listener's ASGI application, and the contract of its routes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from starlette.types import Receive, Scope, Send

from exporter import names
from exporter.errors import (
    Internal,
    MethodNotAllowed,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Refused,
    UnknownKey,
)
from exporter.ingest.guard import Headers
from exporter.ingest.pipeline import Pipeline
from exporter.logs import Log
from exporter.problem import REFUSED, problem
from exporter.server.direct import Respond, Start

log = Log("exporter.ingest")

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers (lower-case names, with `content-length`) and body."""

_TARGET: Final = names.INGEST_PATH.encode()
_LEAVES_BODY: Final = frozenset({401, 403, 404, 405, 408, 413, 415, 429})
_OF_BROWSERS: Final = (OriginNotAllowed, RateLimited, UnknownKey)


class Request(NamedTuple):
    """A request to a route.

    `last_segment` of a path such as `/v1/beacons/{key}` is percent-decoded; it is empty for a fixed path.
    `headers` have lower-case names, and the last value of a repeated header. `client` is the sender's
    address without port.
    """

    method: str
    last_segment: str
    headers: Headers
    client: str
    receive: Receive


class Route(Protocol):
    """Answers requests to one path, on the event loop and many at a time.

    Methods other than `methods` are answered 405 before `take`.
    """

    methods: tuple[str, ...]

    async def take(self, request: Request) -> Answer | None:
        """The answer, or None when the sender went away before its body was there.

        Raises a `Refused` when nothing was counted or done. The error is counted, answered as problem+json
        with its `headers`, and logged: its detail must not contain a key or token.
        """


@dataclass
class IngestApp:
    """Plain ASGI: with FastAPI's parsing, a request takes four times as long.

    Session ends go to `pipeline`, other paths to their `routes`. A refused request is counted by its reason.
    `refused` is called with reason, detail and the sender's address, which is "" for a browser's beacon.
    """

    pipeline: Pipeline
    refused: Callable[[str, str, str], None]
    routes: Mapping[str, Route]

    def __post_init__(self) -> None:
        # Looked up once: a look-up for each request showed in the profile.
        self._accepted = self.pipeline.own.requests.labels(200)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answered = await self._answer(scope, receive)
        except Exception as error:
            if REFUSED in scope:
                return
            # A viewer's address is personal data, and docs/browser.md says that it is not stored.
            beacon = scope["path"].startswith(names.BEACONS_PATH)
            client = "" if beacon else _client(scope)
            answered = self._refuse(error, dict(scope["headers"]), client)
        if answered is None:
            return
        status, headers, body = answered
        self._count(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def direct(self, target: bytes, headers: Headers) -> Start | None:
        """`exporter.server.direct`: for session ends that are not compressed."""
        return self._start if target == _TARGET and b"content-encoding" not in headers else None

    def _start(self, headers: Headers, client: str, body: bytes, respond: Respond) -> None:
        def done(result: bytes | Exception) -> None:
            answered = (
                answer(result)
                if isinstance(result, bytes)
                else self._refuse(result, headers, client)
            )
            self._count(answered[0])
            respond(*answered)

        try:
            self.pipeline.start(headers, client, body, done)
        except Exception as error:
            asyncio.get_running_loop().call_soon(done, error)

    def _count(self, status: int) -> None:
        (self._accepted if status == 200 else self.pipeline.own.requests.labels(status)).inc()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """None when the sender went away. Raises a `Refused`."""
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        if path != names.INGEST_PATH:
            route, segment = find_route(self.routes, method, path)
            return await route.take(Request(method, segment, headers, _client(scope), receive))
        if method == "OPTIONS" and (origin := headers.get(b"webhook-request-origin")):
            return _allow_webhook(origin)
        body = await self.pipeline.take(method, headers, _client(scope), receive)
        return None if body is None else answer(body)

    def _refuse(self, error: Exception, sent: Headers, client: str) -> Answer:
        if not isinstance(error, Refused):
            log.error("defect", exc_info=error)
            error = Internal("a defect of the exporter; its log has the details")
        self.pipeline.own.refused.labels(error.reason).inc()
        self.refused(error.reason, error.detail, client)
        status, headers, body = problem(error)
        # Closing ends the upload of a large body. A browser's body is small, and a new connection for each
        # request of a flood costs 206 µs of CPU time instead of 144. After `Expect` the body may never come,
        # and the next request would be read as the body (RFC 9110 10.1.1).
        small = isinstance(error, _OF_BROWSERS) and b"expect" not in sent
        if status in _LEAVES_BODY and not small:
            headers.append((b"connection", b"close"))
        return status, headers, body


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope["client"] else ""


def answer(
    body: bytes, *headers: tuple[bytes, bytes], media: bytes = b"application/json"
) -> Answer:
    """The 200 with a body of type `media`."""
    length = (b"content-length", b"%d" % len(body))
    return 200, [*headers, (b"content-type", media), length], body


def find_route(routes: Mapping[str, Route], method: str, path: str) -> tuple[Route, str]:
    """The route of a path and the segment after it. Raises `NotFound` or `MethodNotAllowed`.

    A path of `routes` that ends in `/` takes exactly one further segment, which is not empty.
    """
    prefix, slash, segment = path.rpartition("/")
    route = routes.get(prefix + slash) if segment else None
    if route is None and segment:
        route, segment = routes.get(path), ""
    if route is None:
        raise NotFound(
            f"no such path; session ends are sent to {names.INGEST_PATH} or {names.LOGS_PATH}"
        )
    if method not in route.methods:
        raise MethodNotAllowed(
            f"{method}: this path takes {', '.join(route.methods)}", allow=route.methods
        )
    return route, segment


def _allow_webhook(origin: bytes) -> Answer:
    """The answer to a webhook's validation request (CloudEvents HTTP webhooks 1.0.2, section 4)."""
    # The request needs no token: the answer only says that this path takes events. Each POST needs a token.
    headers = [
        (b"webhook-allowed-origin", origin),
        (b"webhook-allowed-rate", b"*"),
        (b"allow", b"POST"),
        (b"content-length", b"0"),
    ]
    return 200, headers, b""
