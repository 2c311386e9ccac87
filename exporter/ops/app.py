"""The ops listener behind its front: /metrics for Prometheus, pages for people.

The routes are plain Starlette endpoints on the FastAPI app: nothing here has a body to parse, and each
answers HEAD. Importing FastAPI takes some 0.4 s beyond what settings and metrics import anyway, half
of it for its OpenAPI models: `exporter.ops.front` imports this module once senders are served.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import exporter
from exporter import names
from exporter.errors import Internal, MethodNotAllowed, NotFound, Refused
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Ledger
from exporter.metrics.exposition import compress, render, takes_gzip
from exporter.metrics.own import OwnMetrics
from exporter.ops.docs import docs
from exporter.ops.door import Door, Gate, refusal
from exporter.ops.history import Recent
from exporter.ops.landing import landing
from exporter.ops.notices import count, notices
from exporter.ops.openapi import document
from exporter.ops.page import page
from exporter.ops.render import POLICY
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy

if TYPE_CHECKING:
    from exporter.ops.runbook_index import RunbookIndex

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    registry: CollectorRegistry,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    gate: Gate,
) -> FastAPI:
    """The ops listener's ASGI app; further pages go on with `app.add_route`, behind the same door.

    `registry` holds the collectors of `exporter.metrics`. Nothing is started: the app has no lifespan, and
    the counts of the last minutes come with each request, from `exporter.ops.front`.
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
    app.add_middleware(Door, gate=gate, policy=POLICY)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _defect)
    # More than one rendering at once takes the GIL from ingest and is no faster for Prometheus.
    one_at_a_time = anyio.CapacityLimiter(1)

    # A page adds up every series: with many labels that takes longer than an event may wait.
    pages = anyio.CapacityLimiter(1)

    @cache
    def runbook_index() -> "RunbookIndex":
        from exporter.ops.runbook_index import RunbookIndex

        return RunbookIndex(settings, taxonomy, unknown_codes)

    @cache
    def described() -> dict[str, Any]:
        return document(settings, taxonomy)

    async def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        zipped = takes_gzip(",".join(request.headers.getlist("accept-encoding")))

        def scrape() -> tuple[bytes, str]:
            started = time.perf_counter()
            body, content_type = render(registry, accept)
            own.scrape_seconds.observe(time.perf_counter() - started)
            return (compress(body) if zipped else body), content_type

        body, content_type = await run_sync(scrape, limiter=one_at_a_time)
        headers = {"content-type": content_type, "vary": "accept, accept-encoding"}
        return Response(body, headers=headers | ({"content-encoding": "gzip"} if zipped else {}))

    async def unknown(_: Request) -> Response:
        rows = [
            {
                names.SYSTEM: one.system,
                names.CODE: one.code,
                "count": one.count,
                "first_seen": datetime.fromtimestamp(one.first_seen, UTC),
                "last_seen": datetime.fromtimestamp(one.last_seen, UTC),
            }
            for one in unknown_codes.snapshot()
        ]
        return Response(msgspec.json.encode(rows), media_type="application/json")

    async def openapi(_: Request) -> Response:
        return Response(msgspec.json.encode(described()), media_type="application/json")

    async def read_docs(_: Request) -> Response:
        return page("HTTP API of session-end-exporter", docs(described()))

    def home(request: Request) -> Response:
        status = ledger.status()
        body = landing(
            settings,
            taxonomy,
            _recent(request),
            status,
            count(own.accepted),
            notices(settings, status, own, unknown_codes),
        )
        return page("session-end-exporter", body)

    def codes(request: Request) -> Response:
        return runbook_index().codes(_recent(request), request.query_params.get("q", ""))

    def code(request: Request) -> Response:
        return runbook_index().code(_recent(request), **request.path_params)

    def alerts(_: Request) -> Response:
        return runbook_index().alerts()

    def alert(request: Request) -> Response:
        return runbook_index().alert(**request.path_params)

    def on_thread(answer: Callable[[Request], Response]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await run_sync(answer, request, limiter=pages)

        return endpoint

    routes: dict[str, Endpoint] = {
        "/": on_thread(home),
        names.CODES_PATH: on_thread(codes),
        names.CODES_PATH + "/{system}/{code}": on_thread(code),
        names.ALERTS_PATH: on_thread(alerts),
        names.ALERTS_PATH + "/{name}": on_thread(alert),
        names.METRICS_PATH: metrics,
        names.UNKNOWN_CODES_PATH: unknown,
        names.OPENAPI_PATH: openapi,
        names.DOCS_PATH: read_docs,
    }
    for path, endpoint in routes.items():
        app.add_route(path, endpoint, methods=["GET"])
    return app


def _recent(request: Request) -> Recent:
    recent: Recent = request.state.history.read()
    return recent


async def _refused(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return refusal(refused)


async def _not_routed(request: Request, error: Exception) -> Response:
    """Starlette's 404 and 405 in the one error format."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "GET, HEAD")
        return refusal(MethodNotAllowed(f"{request.method} is not for this path"), allow)
    return refusal(NotFound("the pages of this listener are listed at /"))


async def _defect(_: Request, __: Exception) -> Response:
    """Starlette logs the traceback; the answer keeps it to itself."""
    return refusal(Internal("the exporter's log has the traceback"))
