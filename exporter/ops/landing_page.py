"""The page at `/`: readiness, warnings and counts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import prometheus_client
from starlette.responses import Response

import exporter
from exporter import names
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import OF_SESSIONS, Family, Status, Totals
from exporter.metrics.own import OwnMetrics
from exporter.ops.recent_ends import Recent
from exporter.ops.render import render
from exporter.settings import Settings, is_loopback
from exporter.taxonomy.model import Code, Outcome, Taxonomy

_MAX_FAILURES: Final = 10
_RECOVERED: Final = "recovered"
_COLUMNS: Final = (*(outcome.value for outcome in Outcome), _RECOVERED)


def landing_page(
    settings: Settings,
    taxonomy: Taxonomy,
    recent: Recent,
    status: Status,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
) -> Response:
    failures = _failures(taxonomy, recent)
    return render(
        "landing_page.html",
        version=exporter.__version__,
        taxonomy=taxonomy,
        recent=recent,
        status=status,
        problem=status.unready(),
        warnings=[
            *_listener_warnings(settings),
            *_ledger_warnings(status),
            *_event_warnings(own, unknown_codes),
        ],
        accepted=_sum(own.accepted),
        failed=sum(ended for ended, _ in failures),
        failures=failures[:_MAX_FAILURES],
        columns=_COLUMNS,
        ends=_ends(recent.ledger),
        zero_series=sum(total.delayed for total in recent.ledger.series),
        script_url=settings.url("ingest") + names.COLLECTOR_PATH,
        has_beacon_keys=settings.beacon_keys_file is not None,
    )


def _failures(taxonomy: Taxonomy, recent: Recent) -> list[tuple[int, Code]]:
    """Codes of failed sessions in the last 5 minutes, the most frequent first."""
    failures = [
        (ended, code)
        for system in taxonomy.systems.values()
        for code in system.all_codes
        if code.outcome is Outcome.FAILURE
        and (ended := recent.ends_within((code.system, code.code), 5))
    ]
    return sorted(failures, key=lambda failure: -failure[0])


def _ends(totals: Totals) -> Counter[tuple[str, str]]:
    """By system and column: final ends of each outcome, late ends included, and interruptions."""
    ends: Counter[tuple[str, str]] = Counter()
    for total in totals.series:
        series = total.series
        if series.family in OF_SESSIONS:
            column = _RECOVERED if series.family is Family.INTERRUPTIONS else series.outcome
            ends[series.system, column] += total.value
    return ends


def _sum(counter: prometheus_client.Counter) -> int:
    """The sum of a counter's series."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


def _listener_warnings(settings: Settings) -> Iterator[str]:
    for name in ("ingest", "ops"):
        address, token_file, cert = (
            getattr(settings, name + suffix) for suffix in ("", "_token_file", "_tls_cert")
        )
        if is_loopback(address.rpartition(":")[0]):
            continue
        if token_file is None:
            yield f"The {name} listener ({address}) is open: it requires no token."
        elif cert is None:
            yield f"The {name} listener ({address}) takes tokens without TLS."


def _ledger_warnings(status: Status) -> Iterator[str]:
    if status.damaged_at:
        day = datetime.fromtimestamp(status.damaged_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield f"A damaged ledger was moved aside on {day}; counts started again from 0."
    yield from status.misconfigured.values()
    if status.lost_events:
        yield (
            f"Events that were lost in a failover of Redis after they were counted: {status.lost_events}. "
            "The totals stay where they were until as many new events have arrived."
        )
    if status.window_expired.get("ids"):
        hours = status.window_span / 3600
        yield (
            f"The deduplication window reaches back only {hours:.1f} h: it reached dedup_window_ids "
            f"({status.window_capacity}) before dedup_window_age."
        )


def _event_warnings(own: OwnMetrics, unknown_codes: UnknownCodes) -> Iterator[str]:
    if count := _sum(own.commit_failures):
        yield f"Ledger transactions that failed since the start: {count}; see the log."
    if count := _sum(own.at_least_once):
        yield f"Events without an id (or session_id and occurred_at): {count}; a retry counts them again."
    if count := _sum(own.ignored_fields):
        yield f"Keys of events that were ignored (no field, or too long a duration): {count}."
    if count := _sum(own.unknown):
        yield f"Events with a code that no taxonomy has: {count}; see unknown codes."
    if count := unknown_codes.evicted:
        yield f"Unknown codes that were dropped from the full list: {count}."
    if count := _sum(own.capped):
        yield f"Label values that became `other`: {count}; a label has too many values."
