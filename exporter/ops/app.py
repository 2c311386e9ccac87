"""The app of the ops listener: /metrics for Prometheus, pages for people.

Starlette endpoints on a FastAPI app: none has a body to parse, and each answers HEAD. The import of FastAPI
takes 0.4 s, so `exporter.ops.lazy_app` imports this module after ingest is up.
"""

import binascii
import gzip
from base64 import b64decode
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter import names
from exporter.errors import Internal, MethodNotAllowed, NotFound, Refused, Unauthorized
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Ledger
from exporter.metrics import exposition
from exporter.metrics.own import OwnMetrics
from exporter.ops.recent_ends import RecentEnds
from exporter.ops.render import POLICY, render
from exporter.problem import problem
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator

if TYPE_CHECKING:
    from exporter.ops.pages import Pages

_GZIP_LEVEL = 1
"""Compresses 3.2 MB of metrics, 10,000 series, to 174 kB in 7 ms; level 6 to 128 kB in 18 ms."""
_BASIC: Final = (b"www-authenticate", b'Basic realm="session-end-exporter", charset="UTF-8"')
"""Makes a browser ask for a password when a runbook link is opened."""
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def create_app(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    registry: CollectorRegistry,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    authenticator: Authenticator,
    recent_ends: RecentEnds,
) -> FastAPI:
    """The ASGI app, without lifespan."""
    # No request leaves the host: FastAPI's telemetry would send to OTEL_* of the environment, and its
    # docs page loads scripts from a CDN.
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(GZipMiddleware, compresslevel=_GZIP_LEVEL)
    app.add_middleware(SecurityMiddleware, authenticator=authenticator)
    app.add_exception_handler(HTTPException, partial(_not_routed, settings))
    app.add_exception_handler(Exception, _defect)

    @cache
    def pages() -> "Pages":
        from exporter.ops.pages import Pages

        return Pages(settings, taxonomy, unknown_codes)

    @cache
    def document() -> dict[str, Any]:
        from exporter.ops.openapi import document

        return document(settings, taxonomy)

    def metrics(request: Request) -> Response:
        headers = {"vary": "accept, Accept-Encoding"}
        with own.scrape_seconds.time():
            body, headers["content-type"] = exposition.render(
                registry, request.headers.get("accept", "")
            )
            if "gzip" in request.headers.get("accept-encoding", "").lower():
                # In this thread: the middleware compresses on the event loop, and events waited.
                body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
                headers["content-encoding"] = "gzip"
        return Response(body, headers=headers)

    # Answered in a thread: adding up many series takes longer than an event may wait.
    answers: dict[str, Callable[[Request], Response]] = {
        "/": lambda _: pages().landing_page(recent_ends.read(), ledger.status()),
        names.CODES_PATH: lambda request: pages().codes(
            recent_ends.read(), request.query_params.get("q", "")
        ),
        names.CODES_PATH + "/{system}/{code}": lambda request: pages().code(
            recent_ends.read(), ledger.status().unready(), **request.path_params
        ),
        names.ALERTS_PATH: lambda _: pages().alerts(),
        names.ALERTS_PATH + "/{name}": lambda request: pages().alert(**request.path_params),
        names.UNKNOWN_CODES_PATH: lambda _: _json(
            [_with_times(asdict(row)) for row in unknown_codes.snapshot()]
        ),
        names.OPENAPI_PATH: lambda _: _json(document()),
        names.DOCS_PATH: lambda _: render("docs.html", document=document()),
    }

    def add(path: str, page: Callable[[Request], Response], limiter: anyio.CapacityLimiter) -> None:
        async def answer(request: Request) -> Response:
            return await run_sync(page, request, limiter=limiter)

        app.add_route(path, answer, methods=["GET"])

    # Two concurrent scrapes take the GIL from ingest and are no faster.
    add(names.METRICS_PATH, metrics, anyio.CapacityLimiter(1))
    limiter = anyio.CapacityLimiter(1)
    for path, page in answers.items():
        add(path, page, limiter)
    return app


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    seen = {name: datetime.fromtimestamp(row[name], UTC) for name in ("first_seen", "last_seen")}
    return row | seen


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _not_routed(settings: Settings, request: Request, error: Exception) -> Response:
    """Starlette's 404 and 405 as problem+json; a path of ingest names the ingest listener's URL."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        detail = f"this path does not take {request.method}"
        return refusal(MethodNotAllowed(detail, allow=("GET", "HEAD")))
    if request.url.path.startswith("/v1/"):
        # The path is not repeated: it may have a key or a token.
        text = "this is the ops listener; send events to the ingest listener, "
        return refusal(NotFound(text + settings.url("ingest")))
    return refusal(NotFound("the pages of this listener are listed at /"))


async def _defect(_: Request, __: Exception) -> Response:
    """A 500 without details; Starlette logs the traceback."""
    return refusal(Internal("the exporter's log has the traceback"))


class SecurityMiddleware:
    """Requires a token, also on paths without a route, as Bearer or as the password of any user."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        values = [value for name, value in scope["headers"] if name == b"authorization"]
        # Two headers are refused: a proxy may have checked only one of them.
        authorization = _as_bearer(values[0]) if len(values) == 1 else None
        client = scope.get("client") or ("",)
        app = self._app
        try:
            self._authenticator.check(authorization, client[0])
        except Refused as refused:
            if scope["path"].startswith("/v1/"):
                refused.detail += "; this is the ops listener, events go to the ingest listener"
            app = refusal(refused)
        await app(scope, receive, send_with_headers)


def _as_bearer(authorization: bytes) -> bytes:
    """The password of Basic credentials as a bearer token; any other value unchanged."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return authorization
    try:
        return b"Bearer " + b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return authorization


def refusal(refused: Refused) -> Response:
    """The response to a refused request."""
    status, headers, body = problem(refused)
    if isinstance(refused, Unauthorized):
        headers.append(_BASIC)
    response = Response(body, status)
    response.raw_headers = headers
    return response
