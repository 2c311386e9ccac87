"""`serve`: every part made and handed to the next, in one place, and the order of start and stop."""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import apsw
from prometheus_client import CollectorRegistry

from exporter.errors import LedgerBroken
from exporter.ingest.app import IngestApp
from exporter.ingest.classify import Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Guard
from exporter.ingest.labels import LabelValues
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Ledger
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import GROUP_EVENTS, SqliteLedger
from exporter.logs import Log, Sampler
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.own import OwnMetrics
from exporter.metrics.state import StateCollector
from exporter.metrics.zero import zero_durations, zero_series
from exporter.ops.front import ASGIApp, Front
from exporter.server.listeners import Listener, serve
from exporter.server.protocol import Limits, Refusals, guarded
from exporter.settings import Settings
from exporter.taxonomy import Taxonomy
from exporter.tokens import Gate, Throttle, Tokens

Addresses = Mapping[str, tuple[str, int]]
"""Host and port of `ingest` and `ops`, as bound."""

_SWITCH: Final = 0.001
"""Seconds a thread may keep the interpreter: with Python's 5 ms a single event waited that long whenever
the writer or a scrape was computing."""
_YOUNG: Final = 50_000
"""Objects between collections: a batch of 1,000 events makes some 10,000 that live for milliseconds, and
at Python's 700 most of decoding was spent looking at them again."""
_PAGES: Final = 1.0
"""Seconds before the pages' import begins: senders that waited for a restart come first."""


async def run(settings: Settings, taxonomy: Taxonomy, ready: Callable[[Addresses], None]) -> None:
    """Serve until SIGTERM; `ready` is called once with the bound addresses.

    Raises `ConfigError` and `LedgerError` at start, `LedgerBroken` when the ledger's disk failed: nothing
    in memory is to be trusted then, and the next start reads the truth from the disk.
    """
    sys.setswitchinterval(_SWITCH)
    registry = CollectorRegistry()
    own = OwnMetrics(registry, taxonomy.systems, settings.labels)
    sampler = Sampler(Log("exporter.refusals"), time.monotonic)
    stop, broken = asyncio.Event(), asyncio.Event()

    def on_broken() -> None:
        broken.set()
        stop.set()

    ledger = await SqliteLedger.open(
        Plan(
            settings.data_dir,
            settings.labels,
            zero_series(taxonomy, settings.labels),
            zero_durations(taxonomy),
            settings.dedup_window_ids,
            settings.dedup_window_age,
            GROUP_EVENTS + settings.max_events,
        ),
        hold=settings.first_seen_zero_for,
        queue_events=settings.max_queue_events,
        queue_bytes=settings.max_queue_bytes,
        on_commit=own.commit_seconds.observe,
        on_failure=own.commit_failures.inc,
        on_broken=on_broken,
    )
    try:
        registry.register(LedgerCollector(taxonomy, settings.labels, ledger))
        registry.register(StateCollector(ledger, sqlite=apsw.sqlite_lib_version()))
        unknown_codes = UnknownCodes(taxonomy.systems)
        ingest = _ingest(settings, taxonomy, ledger, own, unknown_codes, sampler)
        ops = _ops(settings, taxonomy, ledger, own, unknown_codes, registry)
        listeners = [
            _listener("ingest", ingest, settings, own, sampler),
            _listener("ops", ops, settings, own, sampler),
        ]
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 100)

        def up(bound: Addresses) -> None:
            ready(bound)
            asyncio.get_running_loop().call_later(_PAGES, ops.prepare)

        await serve(listeners, settings.shutdown_timeout, up, stop)
    finally:
        await ledger.close()
        sampler.flush()
    if broken.is_set():
        raise LedgerBroken("the ledger's disk failed; start again to read what was written")


def _ingest(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    sampler: Sampler,
) -> IngestApp:
    labels = LabelValues(
        settings.labels,
        settings.max_label_values,
        settings.max_depth,
        (total.series.labels for total in ledger.totals().series),
    )
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
    )


def _ops(
    settings: Settings,
    taxonomy: Taxonomy,
    ledger: Ledger,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
    registry: CollectorRegistry,
) -> Front:
    gate = _gate(settings.ops_token_file)

    def create() -> ASGIApp:
        from exporter.ops.app import create_app

        return create_app(settings, taxonomy, ledger, registry, own, unknown_codes, gate)

    return Front(ledger, create)


def _listener(
    name: str, app: Any, settings: Settings, own: OwnMetrics, sampler: Sampler
) -> Listener:
    watch = Refusals(own, sampler, ingest=name == "ingest")
    return Listener(
        name,
        getattr(settings, name),
        app,
        guarded(Limits(settings.max_header, settings.receive_timeout, watch)),
        getattr(settings, f"{name}_tls_cert"),
        getattr(settings, f"{name}_tls_key"),
    )


def _gate(file: Path | None) -> Gate:
    return Gate(Tokens(file, time.monotonic) if file else None, Throttle(time.monotonic))
