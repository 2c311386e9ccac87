"""`serve`: creates every part, connects them, and starts and stops them in order."""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from exporter import names
from exporter.beacons.route import MAX_BODY, BeaconRoute
from exporter.beacons.script import ScriptRoute
from exporter.beacons.sites import read_sites
from exporter.errors import LedgerBroken
from exporter.ingest.app import IngestApp, Route
from exporter.ingest.classify import Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import MOST_WITH_REDIS, MOST_WITH_SQLITE, Guard, LargeBodies
from exporter.ingest.labels import LabelValues
from exporter.ingest.otlp.attributes import Attributes
from exporter.ingest.otlp.records import Records
from exporter.ingest.otlp.route import LogsRoute
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.backends import open_backend
from exporter.ledger.contract import Ledger
from exporter.logs import Log, Sampler
from exporter.metrics.collector import LedgerCollector, zero_durations, zero_series
from exporter.metrics.own import OwnMetrics, StateCollector
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.ops.lazy_app import LazyApp
from exporter.ops.recent_ends import RecentEnds
from exporter.server.certificates import export_certificates, watched_certificate
from exporter.server.listener import AllowedHosts, Listener
from exporter.server.notify import report
from exporter.server.resources import connection_limits, return_large_blocks
from exporter.server.serving import Address, serve
from exporter.settings import Settings
from exporter.streampixel import builds
from exporter.streampixel.builds import BuildsCollector, BuildWebhook, build_series
from exporter.streampixel.live_stats import live_stats
from exporter.taxonomy.model import Taxonomy
from exporter.token_bucket import Limit
from exporter.tokens import Authenticator
from exporter.watched import RELOADED, Watched

Addresses = Mapping[str, Address]
"""The bound addresses of `ingest` and `ops`."""

_SWITCH_INTERVAL: Final = 0.001
"""Seconds between thread switches. With Python's 5 ms, an event waits that long while a scrape computes."""
_GC_THRESHOLD: Final = 50_000
"""New objects between garbage collections. A batch of 1,000 events makes some 10,000 objects. With
Python's default of 700, garbage collection took most of the time of decoding."""
_BEACON_DIVISOR: Final = 4
"""Beacons may use a quarter of `max_queue_bytes`."""
_OPEN_PATHS: Final = {
    "ingest": (names.BEACONS_PATH, names.COLLECTOR_PATH, names.BUILDS_PATH),
    "ops": (names.HEALTHY_PATH, names.READY_PATH),
}
"""Paths that are answered for any Host: requests from pages of other sites, the webhook, which has a token,
and health."""
_PAGES: Final = 1.0
"""Seconds from the start to the import of the pages: senders that waited for the restart come first."""


async def run(settings: Settings, taxonomy: Taxonomy, ready: Callable[[Addresses], None]) -> None:
    """Serve until SIGTERM; `ready` is called once with the bound addresses.

    Raises `ConfigError` and `LedgerError` at start, and `LedgerBroken` when the ledger's store failed.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    return_large_blocks()
    limits = connection_limits(settings.max_connections)
    registry = CollectorRegistry()
    own = OwnMetrics(registry, taxonomy.systems, settings.labels)
    sampler = Sampler(Log("exporter.refusals"), time.monotonic)
    listening, stop, broken = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def on_broken() -> None:
        broken.set()
        stop.set()

    labels = LabelValues(settings.labels, settings.max_label_values, settings.max_depth)
    zero = zero_series(taxonomy, settings.labels)
    if settings.streampixel_webhook_token_file is not None:
        zero += build_series(settings.labels).values()
    ledger = await open_backend(
        settings,
        zero,
        zero_durations(taxonomy),
        on_commit=own.commit_seconds.observe,
        on_failure=own.commit_failures.inc,
        on_broken=on_broken,
        on_labels=labels.learn,
    )
    reporting = asyncio.create_task(report(ledger.status, listening, stop))
    try:
        ProcessCollector(registry=registry)
        for collector in (
            LedgerCollector(settings.labels, ledger),
            TaxonomyCollector(taxonomy, settings.runbooks, settings.dashboard_url),
            BuildsCollector(ledger),
            StateCollector(ledger),
            RELOADED,
        ):
            registry.register(collector)
        unknown_codes = UnknownCodes(taxonomy.systems)
        ingest = _ingest(settings, taxonomy, labels, ledger, own, unknown_codes, sampler)
        authenticator = Authenticator(settings.ops_token_file)

        def create_ops(recent_ends: RecentEnds) -> ASGIApp:
            from exporter.ops.app import create_app

            parts = (settings, taxonomy, ledger, registry, own, unknown_codes)
            app = create_app(*parts, authenticator, recent_ends)
            # FastAPI's objects are never freed: exclude them from garbage collection.
            gc.freeze()
            return app

        ops = LazyApp(ledger, create_ops)
        listeners = [
            _listener("ingest", ingest, settings, own, sampler, limits["ingest"]),
            _listener("ops", ops, settings, own, sampler, limits["ops"]),
        ]
        served = {each.name: each.certificate for each in listeners if each.certificate}
        export_certificates(served, registry)
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 100)
        gc.enable()

        def up(bound: Addresses) -> None:
            listening.set()
            ready(bound)
            asyncio.get_running_loop().call_later(_PAGES, ops.prepare)

        async with live_stats(settings, registry):
            await serve(listeners, settings.shutdown_timeout, up, stop)
    finally:
        reporting.cancel()
        sampler.flush()
        await ledger.close()
    if broken.is_set():
        raise LedgerBroken(
            f"{ledger.status().problem}; restart the exporter: it reads what was written"
        )


def _ingest(
    settings: Settings,
    taxonomy: Taxonomy,
    labels: LabelValues,
    ledger: Ledger,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    sampler: Sampler,
) -> Any:
    def log_as(event: str) -> Callable[[str, str, str], None]:
        return lambda reason, detail, client: sampler.warning(
            reason, event, client=client, detail=detail
        )

    guard = Guard(
        Authenticator(settings.ingest_token_file), settings.max_body, settings.max_queue_bytes
    )
    pipeline = Pipeline(
        guard,
        Decoder(settings.max_events, settings.max_depth, strict_fields=settings.strict_fields),
        Classifier(taxonomy, labels, settings.max_event_age, settings.max_clock_skew),
        ledger,
        own,
        unknown_codes,
        settings.labels,
        LargeBodies(
            settings.max_queue_bytes,
            MOST_WITH_SQLITE if settings.ledger is None else MOST_WITH_REDIS,
        ),
        rejected=log_as("event rejected"),
        debug=settings.log_level == "debug",
    )
    records = Records(
        Attributes(settings.labels, settings.otlp_attributes),
        frozenset(settings.otlp_events),
        settings.max_events,
        settings.strict_fields,
    )
    routes: dict[str, Route] = {
        names.LOGS_PATH: LogsRoute(records, pipeline),
        names.COLLECTOR_PATH: ScriptRoute(),
    }
    if settings.beacon_keys_file is not None:
        load = partial(read_sites, settings, taxonomy)
        routes[names.BEACONS_PATH] = BeaconRoute(
            Watched((settings.beacon_keys_file,), load, "file of beacon keys", time.monotonic),
            pipeline,
            Guard(Authenticator(None), MAX_BODY, settings.max_queue_bytes // _BEACON_DIVISOR),
            Limit(settings.beacon_address_rate, settings.beacon_address_burst),
        )
    if (tokens := settings.streampixel_webhook_token_file) is not None:
        routes[names.BUILDS_PATH] = BuildWebhook(
            Guard(Authenticator(tokens), builds.MAX_BODY, builds.BUDGET),
            ledger,
            build_series(settings.labels),
            settings.max_clock_skew,
            rejected=log_as("build rejected"),
        )
    app: Any = IngestApp(pipeline, log_as("request refused"), routes=routes)
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, list(settings.trusted_proxies))
    return app


def _listener(
    name: str, app: Any, settings: Settings, own: OwnMetrics, sampler: Sampler, connections: int
) -> Listener:
    address, token_file, cert, key = (
        getattr(settings, name + suffix) for suffix in ("", "_token_file", "_tls_cert", "_tls_key")
    )
    hosts = None
    # With tokens no check of Host is needed: a page that uses DNS rebinding has no token.
    if token_file is None:
        host = address.rpartition(":")[0]
        hosts = AllowedHosts(settings.allowed_hosts, host, _OPEN_PATHS[name])
    return Listener(
        name,
        address,
        app,
        own,
        sampler,
        max_header=settings.max_header,
        receive_timeout=settings.receive_timeout,
        max_connections=connections,
        hosts=hosts,
        certificate=watched_certificate(name, cert, key) if cert and key else None,
    )
