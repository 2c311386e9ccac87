"""The ingest listener's ASGI application."""

from collections.abc import Awaitable, Callable
from typing import Any

from exporter import names
from exporter.errors import Internal, NotFound, Refused
from exporter.ingest.guard import Message, Receive
from exporter.ingest.pipeline import Pipeline
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.problem import REFUSED, problem

log = Log("exporter.ingest")

Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class IngestApp:
    """Plain ASGI: FastAPI's parsing would cost four times the whole request (measured in the design).

    A refusal is counted by its reason and, sampled by `refused`, logged.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        own: OwnMetrics,
        refused: Callable[[str, str], None] = lambda _reason, _message: None,
    ) -> None:
        self._pipeline = pipeline
        self._own = own
        self._refused = refused
        self._statuses = {200: own.requests.labels(200)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"] != names.INGEST_PATH:
                raise NotFound(f"events are sent to {names.INGEST_PATH}")
            client = scope["client"][0] if scope["client"] else ""
            body = await self._pipeline.take(
                scope["method"], dict(scope["headers"]), client, receive
            )
            if body is None:
                return
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ]
            status = 200
        except Refused as refused:
            if REFUSED in scope:
                return
            status, headers, body = self._refuse(refused)
        except Exception:
            log.error("defect", exc_info=True)
            status, headers, body = self._refuse(
                Internal("a defect of the exporter; its log has the details")
            )
        self._count(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refuse(self, refused: Refused) -> Answer:
        self._own.refused.labels(refused.reason).inc()
        self._refused(refused.reason, refused.detail)
        status, headers, body = problem(refused)
        if refused.status == 405:
            headers = [*headers, (b"allow", b"POST")]
        # What is left of the body must not be read as the next request.
        if refused.status in (401, 404, 405, 408, 413, 415, 429):
            headers = [*headers, (b"connection", b"close")]
        return status, headers, body

    def _count(self, status: int) -> None:
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._own.requests.labels(status)
        counter.inc()
