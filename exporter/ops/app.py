"""The ops listener's app: /metrics for Prometheus, pages for people.

The routes are plain Starlette endpoints on the FastAPI app: none has a body to parse, and each answers
HEAD. Importing FastAPI takes some 0.4 s more than settings and metrics: `exporter.ops.lazy_app` imports
this module after senders are served.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

import exporter
from exporter import names
from exporter.errors import Internal, MethodNotAllowed, NotFound
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Ledger
from exporter.metrics import exposition
from exporter.metrics.own import OwnMetrics
from exporter.ops.history import Recent
from exporter.ops.landing_page import landing_page
from exporter.ops.render import POLICY, render
from exporter.ops.security import SecurityMiddleware, refusal
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator

if TYPE_CHECKING:
    from exporter.ops.runbook_index import RunbookIndex

Endpoint = Callable[[Request], Awaitable[Response]]
_GZIP_LEVEL = 1
"""Makes 37 kB of 736 kB of metrics in 2 ms; the default, 9, takes ten times as long for a third less."""


def create_app(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    registry: CollectorRegistry,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    gate: Authenticator,
) -> FastAPI:
    """The ops listener's ASGI app. `registry` holds the collectors of `exporter.metrics`.

    The app has no lifespan. `exporter.ops.lazy_app` gives it the history with each request.
    """
    # FastAPI's own telemetry would read OTEL_* from the environment and send elsewhere; its own docs
    # pages load scripts from a CDN. No request leaves the host.
    app = FastAPI(
        title="session-end-exporter",
        version=exporter.__version__,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(GZipMiddleware, compresslevel=_GZIP_LEVEL)
    app.add_middleware(SecurityMiddleware, gate=gate, policy=POLICY)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _defect)
    # Two renderings at once take the GIL from ingest and are no faster for Prometheus.
    scrapes = anyio.CapacityLimiter(1)
    # A page adds up every series: with many labels that takes longer than an event may wait.
    pages = anyio.CapacityLimiter(1)

    @cache
    def runbook_index() -> "RunbookIndex":
        from exporter.ops.runbook_index import RunbookIndex

        return RunbookIndex(settings, taxonomy, unknown_codes)

    @cache
    def document() -> dict[str, Any]:
        from exporter.ops.openapi import document

        return document(settings, taxonomy)

    async def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))

        def scrape() -> tuple[bytes, str]:
            started = time.perf_counter()
            result = exposition.render(registry, accept)
            own.scrape_seconds.observe(time.perf_counter() - started)
            return result

        body, content_type = await run_sync(scrape, limiter=scrapes)
        return Response(body, headers={"content-type": content_type, "vary": "accept"})

    async def unknown(_: Request) -> Response:
        times = ("first_seen", "last_seen")
        return _json(
            [
                asdict(row)
                | {name: datetime.fromtimestamp(getattr(row, name), UTC) for name in times}
                for row in unknown_codes.snapshot()
            ]
        )

    def on_thread(answer: Callable[[Request], Response]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await run_sync(answer, request, limiter=pages)

        return endpoint

    def home(request: Request) -> Response:
        status = ledger.status()
        return landing_page(settings, taxonomy, _recent(request), status, own, unknown_codes)

    def codes(request: Request) -> Response:
        return runbook_index().codes(_recent(request), request.query_params.get("q", ""))

    def code(request: Request) -> Response:
        return runbook_index().code(_recent(request), **request.path_params)

    routes: dict[str, Endpoint] = {
        "/": on_thread(home),
        names.CODES_PATH: on_thread(codes),
        names.CODES_PATH + "/{system}/{code}": on_thread(code),
        names.ALERTS_PATH: on_thread(lambda _: runbook_index().alerts()),
        names.ALERTS_PATH + "/{name}": on_thread(
            lambda request: runbook_index().alert(**request.path_params)
        ),
        names.METRICS_PATH: metrics,
        names.UNKNOWN_CODES_PATH: unknown,
        names.OPENAPI_PATH: on_thread(lambda _: _json(document())),
        names.DOCS_PATH: on_thread(lambda _: render("docs.html", document=document())),
    }
    for path, endpoint in routes.items():
        app.add_route(path, endpoint, methods=["GET"])
    return app


def _recent(request: Request) -> Recent:
    recent: Recent = request.state.history.read()
    return recent


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _not_routed(request: Request, error: Exception) -> Response:
    """Starlette's 404 and 405 in the format of all other errors."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "GET, HEAD")
        return refusal(MethodNotAllowed(f"this path does not take {request.method}"), allow)
    return refusal(NotFound("the pages of this listener are listed at /"))


async def _defect(_: Request, __: Exception) -> Response:
    """Starlette logs the traceback; the answer does not have it."""
    return refusal(Internal("the exporter's log has the traceback"))
