"""Latency of the exporter: commits, queue, scrapes, and the age of events at receipt."""

from typing import Final

from dashboards.source.panels import Panel, graph
from dashboards.source.queries import exporter_gauge, exporter_quantiles
from dashboards.source.style import by_regexp
from exporter import names

LATE_QUANTILE: Final = 0.9
LATE_SECONDS: Final = 300
"""Quantile and age of the alert SessionEndExporterEventsDelayed."""


def processing() -> list[Panel]:
    """Times of the ledger's transactions and of /metrics, and the events that wait for the ledger."""
    return [
        graph(
            "Commit time",
            "From the start of a transaction to the end of its fsync: half are below p50, 99 of 100 "
            "below p99. Senders wait that long. Normal is milliseconds on a flash disk.",
            *exporter_quantiles(names.COMMIT_SECONDS, 0.5, 0.99),
            unit="s",
            empty="No data: nothing was committed in this time, or Prometheus scrapes no exporter.",
        ),
        graph(
            "Events waiting for the ledger",
            "Events that have arrived and are not on disk yet. Normal is near 0. When it grows, "
            "commits are slower than events arrive; at its limit requests are answered 503.",
            exporter_gauge(names.QUEUE_EVENTS, " events"),
            exporter_gauge(names.QUEUE_BYTES, " bytes"),
            decimals=0,
            overrides=[by_regexp("/ bytes$/", {"unit": "bytes", "custom.axisPlacement": "right"})],
        ),
        graph(
            "Scrape time",
            "Time to render /metrics, without the network. Normal is tens of milliseconds; it "
            "grows with the number of series, and so with the configured labels.",
            *exporter_quantiles(names.SCRAPE_SECONDS, 0.5, 0.99),
            unit="s",
        ),
    ]


def event_age() -> Panel:
    """Age of events at receipt."""
    return graph(
        "Event age at receipt",
        "Age of the oldest event of a request: alerts see an incident that much later. A ticket "
        f"is opened when p{100 * LATE_QUANTILE:.0f} stays above the dashed line. Normal is seconds.",
        *exporter_quantiles(names.EVENT_DELAY, 0.5, LATE_QUANTILE, 0.99),
        line_at=LATE_SECONDS,
        unit="s",
        empty="No data: no events arrived in this time, or Prometheus scrapes no exporter.",
    )
