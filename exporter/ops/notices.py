"""Warnings of the landing page: what an operator should know although the exporter is running."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import Counter

from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Status
from exporter.metrics.own import OwnMetrics
from exporter.settings import Settings, is_loopback


def notices(
    settings: Settings, status: Status, own: OwnMetrics, unknown_codes: UnknownCodes
) -> list[str]:
    """Sentences, as text, the worst first; none when nothing is wrong."""
    found = [*_listeners(settings)]
    if status.damaged_at:
        day = datetime.fromtimestamp(status.damaged_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        found.append(f"A damaged ledger was moved aside on {day}; counts started again from 0.")
    found += status.misconfigured.values()
    if status.lost_events:
        found.append(
            f"Events that were lost in a failover of Redis after they were counted: {status.lost_events}. "
            "The totals stay where they were until as many new events have arrived."
        )
    if failures := count(own.commit_failures):
        found.append(
            f"Ledger transactions that failed since the start: {failures}; senders got 503."
        )
    if status.window_expired.get("ids"):
        hours = status.window_span / 3600
        found.append(
            f"The deduplication window reaches back only {hours:.1f} h: it reached dedup_window_ids "
            f"({status.window_capacity}) before dedup_window_age."
        )
    if events := count(own.at_least_once):
        found.append(
            f"Events without an id (or session_id and occurred_at): {events}; a retry counts them again."
        )
    if events := count(own.unknown):
        found.append(f"Events with a code that no taxonomy has: {events}; see unknown codes.")
    if unknown_codes.evicted:
        found.append(
            f"Unknown codes that were dropped from the full list: {unknown_codes.evicted}."
        )
    if values := count(own.capped):
        found.append(f"Label values that became `other`: {values}; a label has too many values.")
    return found


def count(counter: Counter) -> int:
    """The sum of a counter's series."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


def _listeners(settings: Settings) -> Iterator[str]:
    """Listeners beyond loopback without a token, or with tokens that are sent in clear."""
    for name in ("ingest", "ops"):
        listener = getattr(settings, name)
        if is_loopback(listener.rpartition(":")[0]):
            continue
        if getattr(settings, f"{name}_token_file") is None:
            yield f"The {name} listener ({listener}) is open to everybody who reaches it."
        elif getattr(settings, f"{name}_tls_cert") is None:
            yield f"The {name} listener ({listener}) takes tokens without TLS."
