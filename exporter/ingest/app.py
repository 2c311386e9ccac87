"""The ingest listener's ASGI application."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from exporter import names
from exporter.errors import Internal, OriginNotAllowed, RateLimited, Refused, UnknownKey
from exporter.ingest.guard import Headers
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.routes import Answer, Request, Route, answer, find_route
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.problem import REFUSED, problem
from exporter.server.direct import Respond, Start

log = Log("exporter.ingest")

_TARGET: Final = names.INGEST_PATH.encode()
_LEAVES_BODY: Final = frozenset({401, 403, 404, 405, 408, 413, 415, 429})
_OF_BROWSERS: Final = (OriginNotAllowed, RateLimited, UnknownKey)


class IngestApp:
    """Plain ASGI: with FastAPI's parsing, a request takes four times as long.

    Session ends go to `pipeline`, other paths to their `routes`. A refused request is counted by its reason,
    and passed to `refused` with its detail.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        own: OwnMetrics,
        refused: Callable[[str, str], None] = lambda _reason, _message: None,
        *,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._own = own
        self._refused = refused
        self._routes = routes or {}
        # Looked up once: a look-up for each request showed in the profile.
        self._accepted = own.requests.labels(200)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answered = await self._answer(scope, receive)
        except Exception as error:
            if isinstance(error, Refused) and REFUSED in scope:
                return
            answered = self._failure(error, dict(scope["headers"]))
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
                answer(result) if isinstance(result, bytes) else self._failure(result, headers)
            )
            self._count(answered[0])
            respond(*answered)

        try:
            self._pipeline.start(headers, client, body, done)
        except Exception as error:
            asyncio.get_running_loop().call_soon(done, error)

    def _count(self, status: int) -> None:
        (self._accepted if status == 200 else self._own.requests.labels(status)).inc()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """None when the sender went away. Raises a `Refused`."""
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        client = scope["client"][0] if scope["client"] else ""
        if path != names.INGEST_PATH:
            route, rest = find_route(self._routes, method, path)
            return await route.take(Request(method, rest, headers, client, receive))
        if method == "OPTIONS" and (origin := headers.get(b"webhook-request-origin")):
            return _allow_webhook(origin)
        body = await self._pipeline.take(method, headers, client, receive)
        return None if body is None else answer(body)

    def _failure(self, error: Exception, headers: Headers) -> Answer:
        if isinstance(error, Refused):
            return self._refuse(error, headers)
        log.error("defect", exc_info=error)
        return self._refuse(Internal("a defect of the exporter; its log has the details"), headers)

    def _refuse(self, refused: Refused, sent: Headers) -> Answer:
        self._own.refused.labels(refused.reason).inc()
        self._refused(refused.reason, refused.detail)
        status, headers, body = problem(refused)
        # Closing ends the upload of a large body. A browser's body is small, and a new connection for each
        # request of a flood costs 206 µs of CPU time instead of 144. After `Expect` the body may never come,
        # and the next request would be read as the body (RFC 9110 10.1.1).
        small = isinstance(refused, _OF_BROWSERS) and b"expect" not in sent
        if refused.status in _LEAVES_BODY and not small:
            headers.append((b"connection", b"close"))
        return status, headers, body


def _allow_webhook(origin: bytes) -> Answer:
    """The answer to a webhook's validation request (CloudEvents HTTP webhooks 1.0.2, section 4).

    The request needs no token: the answer only says that this path takes events. Each POST needs a token.
    """
    headers = [
        (b"webhook-allowed-origin", origin),
        (b"webhook-allowed-rate", b"*"),
        (b"allow", b"POST"),
        (b"content-length", b"0"),
    ]
    return 200, headers, b""
