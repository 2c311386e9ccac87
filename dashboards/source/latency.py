"""Latency of the exporter, age of events at receipt, and events that are counted with a caveat."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.empty import NO_EXPORTER
from dashboards.source.panels import About, Query
from dashboards.source.queries import INSTANCE, INSTANCES, per_second, quantile, selector
from dashboards.source.style import by_regexp
from exporter import names

LATE_QUANTILE: Final = 0.9
LATE_SECONDS: Final = 300
"""Quantile and age of the alert SessionEndExporterEventsDelayed."""


def commits() -> models.Panel:
    """Time of the ledger's transactions."""
    about = About(
        title="Commit time",
        description="From the start of a transaction to the end of its fsync: half are below p50, 99 of 100 "
        "below p99. Senders wait that long. Normal is milliseconds on a flash disk.",
        empty="No data: nothing was committed in this time, or Prometheus scrapes no exporter.",
        unit="s",
    )
    return panels.graph(about, _quantiles(names.COMMIT_SECONDS, 0.5, 0.99))


def queue() -> models.Panel:
    """Events that wait for the ledger."""
    about = About(
        title="Events waiting for the ledger",
        description="Events that have arrived and are not on disk yet. Normal is near 0. When it grows, "
        "commits are slower than events arrive; at its limit requests are answered 503.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    return panels.graph(
        about,
        [
            Query(selector(names.QUEUE_EVENTS, INSTANCES), "{{instance}} events"),
            Query(selector(names.QUEUE_BYTES, INSTANCES), "{{instance}} bytes"),
        ],
        [by_regexp(" bytes$", {"unit": "bytes", "custom.axisPlacement": "right"})],
    )


def scrapes() -> models.Panel:
    """Time of /metrics."""
    about = About(
        title="Scrape time",
        description="Time to render /metrics, without the network. Normal is tens of milliseconds; it "
        "grows with the number of series, and so with the configured labels.",
        empty=NO_EXPORTER,
        unit="s",
    )
    return panels.graph(about, _quantiles(names.SCRAPE_SECONDS, 0.5, 0.99))


def _quantiles(metric: str, *parts: float) -> list[Query]:
    return [
        Query(quantile(part, metric, INSTANCE), f"{{{{instance}}}} p{100 * part:.0f}")
        for part in parts
    ]


def delay() -> models.Panel:
    """Age of events at receipt."""
    about = About(
        title="Event age at receipt",
        description="Age of the oldest event of a request: alerts see an incident that much later. A ticket "
        f"is opened when p{100 * LATE_QUANTILE:.0f} stays above the dashed line. Normal is seconds.",
        empty="No data: no events arrived in this time, or Prometheus scrapes no exporter.",
        unit="s",
    )
    return panels.graph(
        about, _quantiles(names.EVENT_DELAY, 0.5, LATE_QUANTILE, 0.99), line_at=LATE_SECONDS
    )


def doubtful() -> models.Panel:
    """Events that are counted with a caveat."""
    about = About(
        title="Doubtful events per second",
        description="Late: too old for alerts. At least once: without a key, so that a retry counts again. "
        "Capped: the value of a label was replaced by `other`. Normal is 0, or few late events.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [
            Query(per_second(names.LATE_EVENTS, INSTANCE), "{{instance}} late"),
            Query(per_second(names.AT_LEAST_ONCE_EVENTS, INSTANCE), "{{instance}} at least once"),
            Query(per_second(names.CAPPED_LABELS, names.LABEL), "capped: {{label}}"),
        ],
    )


def unknown() -> models.Panel:
    """Codes that no taxonomy has."""
    about = About(
        title="Unknown codes per second",
        description="Events whose code the taxonomy does not have. They are counted as unknown; the "
        f"exporter lists their codes at {names.UNKNOWN_CODES_PATH}. Normal is 0.",
        empty=NO_EXPORTER,
    )
    query = Query(per_second(names.UNKNOWN_CODE_EVENTS, names.SYSTEM), "{{system}}")
    return panels.graph(about, [query])
