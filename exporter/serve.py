"""`serve`: every part made and handed to the next, in one place, and the order of start and stop."""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import apsw
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.types import ASGIApp

from exporter import names
from exporter.beacons import script
from exporter.beacons.buckets import Limit
from exporter.beacons.route import MAX_BODY, BeaconRoute
from exporter.beacons.script import ScriptRoute
from exporter.beacons.sites import Loader
from exporter.errors import LedgerBroken
from exporter.ingest.app import IngestApp
from exporter.ingest.classify import Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Guard
from exporter.ingest.labels import LabelValues
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.routes import Route
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.chosen import open_chosen
from exporter.ledger.contract import Ledger, Series
from exporter.logs import Log, Sampler
from exporter.metrics.certificates import CertificateCollector
from exporter.metrics.collector import LedgerCollector, zero_durations, zero_series
from exporter.metrics.own import OwnMetrics
from exporter.metrics.state import StateCollector
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.ops.lazy_app import LazyApp
from exporter.server.certificates import Certificate
from exporter.server.hosts import AllowedHosts
from exporter.server.listeners import Listener, serve
from exporter.server.notify import report
from exporter.server.protocol import Limits, Refusals, guarded
from exporter.server.resources import connection_limits, return_large_blocks
from exporter.settings import Settings
from exporter.streampixel import webhook
from exporter.streampixel.builds import BuildsCollector, build_series
from exporter.streampixel.live_stats import live_stats
from exporter.streampixel.webhook import BuildWebhook
from exporter.taxonomy import Taxonomy
from exporter.tokens import Gate, Throttle, Tokens
from exporter.watched import Watched

Addresses = Mapping[str, tuple[str, int]]
"""Host and port of `ingest` and `ops`, as bound."""

_SWITCH: Final = 0.001
"""Seconds a thread may keep the interpreter: with Python's 5 ms a single event waited that long whenever
the writer or a scrape was computing."""
_YOUNG: Final = 50_000
"""Objects between collections: a batch of 1,000 events makes some 10,000 that live for milliseconds, and
at Python's 700 most of decoding was spent looking at them again."""
_SHARE: Final = 4
"""Beacons may take up a fourth of the ledger's queue, and of the bytes of bodies being read."""
_OPEN_PATHS: Final = {
    "ingest": (names.BEACONS_PATH, names.COLLECTOR_PATH, names.BUILDS_PATH),
    "ops": (names.HEALTHY_PATH, names.READY_PATH),
}
"""Answered for any Host: what other sites' pages are meant to send and load, with a key in the path, a
webhook with a token in the path, and health."""
_PAGES: Final = 1.0
"""Seconds before the pages' import begins: senders that waited for a restart come first."""


async def run(settings: Settings, taxonomy: Taxonomy, ready: Callable[[Addresses], None]) -> None:
    """Serve until SIGTERM; `ready` is called once with the bound addresses.

    Raises `ConfigError` and `LedgerError` at start, `LedgerBroken` when the ledger's store failed: nothing
    in memory is to be trusted then, and the next start reads the truth from the store.
    """
    sys.setswitchinterval(_SWITCH)
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
    ledger = await open_chosen(
        settings, _zero(settings, taxonomy), zero_durations(taxonomy), own, on_broken, labels.learn
    )
    reporting = asyncio.create_task(report(ledger.status, listening, stop))
    try:
        ProcessCollector(registry=registry)
        registry.register(LedgerCollector(settings.labels, ledger))
        registry.register(TaxonomyCollector(taxonomy, settings.runbooks, settings.dashboard_url))
        registry.register(BuildsCollector(ledger))
        registry.register(StateCollector(ledger, sqlite=apsw.sqlite_lib_version()))
        unknown_codes = UnknownCodes(taxonomy.systems)
        ingest = _ingest(settings, taxonomy, labels, ledger, own, unknown_codes, sampler)
        ops = _ops(settings, taxonomy, ledger, own, unknown_codes, registry)
        listeners = [
            _listener("ingest", ingest, settings, own, sampler, limits["ingest"]),
            _listener("ops", ops, settings, own, sampler, limits["ops"]),
        ]
        registry.register(CertificateCollector([listener.certificate for listener in listeners]))
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 100)

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
        raise LedgerBroken(f"{ledger.status().problem}; start again to read what was written")


def _ingest(
    settings: Settings,
    taxonomy: Taxonomy,
    labels: LabelValues,
    ledger: Ledger,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    sampler: Sampler,
) -> IngestApp:
    pipeline = Pipeline(
        Guard(_gate(settings.ingest_token_file), settings.max_body, settings.max_queue_bytes),
        Decoder(settings.max_events, settings.max_depth),
        Classifier(taxonomy, labels, settings.max_event_age, settings.max_clock_skew),
        ledger,
        own,
        unknown_codes,
        settings.labels,
        refused=lambda reason, message: sampler.warning(reason, "event rejected", detail=message),
        debug=settings.log_level == "debug",
    )
    return IngestApp(
        pipeline,
        own,
        lambda reason, detail: sampler.warning(reason, "request refused", detail=detail),
        routes=_routes(settings, taxonomy, pipeline) | _webhooks(settings, ledger, own, sampler),
        proxies=settings.trusted_proxies,
    )


def _routes(settings: Settings, taxonomy: Taxonomy, pipeline: Pipeline) -> dict[str, Route]:
    """What the ingest listener serves beside session ends."""
    routes: dict[str, Route] = {}
    if script.FILE.exists():
        routes[names.COLLECTOR_PATH] = ScriptRoute(script.load())
    if settings.beacon_keys_file is not None:
        routes[names.BEACONS_PATH] = BeaconRoute(
            Watched(
                settings.beacon_keys_file,
                Loader.of(settings, taxonomy),
                "file of beacon keys",
                time.monotonic,
            ),
            pipeline,
            Guard(
                _gate(None), MAX_BODY, settings.max_queue_bytes // _SHARE, "the limit of a beacon"
            ),
            Limit(settings.beacon_address_rate, settings.beacon_address_burst),
            settings.max_depth,
            settings.max_queue_events // _SHARE,
        )
    return routes


def _webhooks(
    settings: Settings, ledger: Ledger, own: OwnMetrics, sampler: Sampler
) -> dict[str, Route]:
    """What platforms call, when a token was set for it."""
    if settings.streampixel_webhook_token_file is None:
        return {}
    gate = _gate(settings.streampixel_webhook_token_file)
    hook = BuildWebhook(
        Guard(gate, webhook.MAX_BODY, webhook.BUDGET, "the limit of a webhook"),
        ledger,
        own,
        build_series(settings.labels),
        settings.max_clock_skew,
        rejected=lambda reason, message: sampler.warning(reason, "build rejected", detail=message),
    )
    return {names.BUILDS_PATH: hook}


def _zero(settings: Settings, taxonomy: Taxonomy) -> list[Series]:
    """The series that are there at 0 from the first scrape."""
    builds = settings.streampixel_webhook_token_file is not None
    return [
        *zero_series(taxonomy, settings.labels),
        *(build_series(settings.labels).values() if builds else ()),
    ]


def _ops(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    registry: CollectorRegistry,
) -> LazyApp:
    gate = _gate(settings.ops_token_file)

    def create() -> ASGIApp:
        from exporter.ops.app import create_app

        return create_app(settings, taxonomy, ledger, registry, own, unknown_codes, gate)

    return LazyApp(ledger, create)


def _listener(
    name: str, app: Any, settings: Settings, own: OwnMetrics, sampler: Sampler, connections: int
) -> Listener:
    watch = Refusals(own, sampler, ingest=name == "ingest")
    cert, key = getattr(settings, f"{name}_tls_cert"), getattr(settings, f"{name}_tls_key")
    return Listener(
        name,
        getattr(settings, name),
        app,
        guarded(
            Limits(
                settings.max_header, settings.receive_timeout, watch, _allowed_hosts(name, settings)
            )
        ),
        Certificate(name, cert, key) if cert and key else None,
        max_connections=connections,
    )


def _allowed_hosts(name: str, settings: Settings) -> AllowedHosts | None:
    """None for a listener with a token, which no page of another site has."""
    if getattr(settings, f"{name}_token_file") is not None:
        return None
    listens = getattr(settings, name).rpartition(":")[0]
    return AllowedHosts(settings.allowed_hosts, listens, _OPEN_PATHS[name])


def _gate(file: Path | None) -> Gate:
    return Gate(Tokens(file, time.monotonic) if file else None, Throttle(time.monotonic))
