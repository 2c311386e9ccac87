"""The ingest listener's ASGI application."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from exporter import names
from exporter.errors import (
    Internal,
    MethodNotAllowed,
    OriginNotAllowed,
    RateLimited,
    Refused,
    UnknownKey,
)
from exporter.ingest.clients import Clients
from exporter.ingest.guard import Message, Receive
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.routes import Answer, Request, Route, Routes
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.problem import REFUSED, problem

log = Log("exporter.ingest")

_LEAVES_BODY: Final = frozenset({401, 403, 404, 405, 408, 413, 415, 429})
_OF_BROWSERS: Final = (OriginNotAllowed, RateLimited, UnknownKey)

Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class IngestApp:
    """Plain ASGI: FastAPI's parsing would cost four times the whole request (measured in the design).

    Session ends go to `pipeline`, other paths to their `routes`. A refusal is counted by its reason and,
    sampled by `refused`, logged. `proxies` are networks whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        own: OwnMetrics,
        refused: Callable[[str, str], None] = lambda _reason, _message: None,
        *,
        routes: Mapping[str, Route] | None = None,
        proxies: tuple[str, ...] = (),
    ) -> None:
        self._pipeline = pipeline
        self._own = own
        self._refused = refused
        self._routes = Routes(routes or {})
        self._clients = Clients(proxies) if proxies else None
        self._statuses = {200: own.requests.labels(200)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            client = scope["client"][0] if scope["client"] else ""
            if self._clients is not None:
                client = self._clients.sender(client, scope["headers"])
            if scope["path"] == names.INGEST_PATH:
                body = await self._pipeline.take(
                    scope["method"], dict(scope["headers"]), client, receive
                )
                if body is None:
                    return
                status = 200
                headers = [
                    (b"content-type", b"application/json"),
                    (b"content-length", b"%d" % len(body)),
                ]
            else:
                answer = await self._elsewhere(scope, client, receive)
                if answer is None:
                    return
                status, headers, body = answer
        except Refused as refused:
            if REFUSED in scope:
                return
            status, headers, body = self._refuse(refused, scope)
        except Exception:
            log.error("defect", exc_info=True)
            status, headers, body = self._refuse(
                Internal("a defect of the exporter; its log has the details"), scope
            )
        self._count(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _elsewhere(self, scope: Scope, client: str, receive: Receive) -> Answer | None:
        method, lines = scope["method"], scope["headers"]
        route, rest = self._routes.find(method, scope["path"])
        return await route.take(Request(method, rest, dict(lines), client, receive))

    def _refuse(self, refused: Refused, scope: Scope) -> Answer:
        self._own.refused.labels(refused.reason).inc()
        self._refused(refused.reason, refused.detail)
        status, headers, body = problem(refused)
        headers += refused.headers
        if isinstance(refused, MethodNotAllowed):
            headers.append((b"allow", ", ".join(refused.allow).encode()))
        # What is left of the body is thrown away unread, up to `server.protocol.MAX_DISCARD`; senders of
        # large ones are spared that. A browser's is small, and a flood that has to connect anew for each
        # takes 206 µs of the processor instead of 144, without TLS. Who asked whether to send it may not: the
        # next request was taken for the body that never came (RFC 9110 10.1.1).
        small = isinstance(refused, _OF_BROWSERS) and b"expect" not in dict(scope["headers"])
        if refused.status in _LEAVES_BODY and not small:
            headers = [*headers, (b"connection", b"close")]
        return status, headers, body

    def _count(self, status: int) -> None:
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._own.requests.labels(status)
        counter.inc()
