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
            "Duration of a ledger transaction including fsync; senders wait for it. Normal is milliseconds "
            "on a flash disk.",
            *exporter_quantiles(names.COMMIT_SECONDS, 0.5, 0.99),
            unit="s",
            empty="No data: nothing was committed in this time, or Prometheus scrapes no exporter.",
        ),
        graph(
            "Ledger queue",
            "Events received and not yet stored. Growth: events arrive faster than they are committed. At "
            "the limit requests get status 503. Normal is near 0.",
            exporter_gauge(names.QUEUE_EVENTS, " events"),
            exporter_gauge(names.QUEUE_BYTES, " bytes"),
            decimals=0,
            overrides=[by_regexp("/ bytes$/", {"unit": "bytes", "custom.axisPlacement": "right"})],
        ),
        graph(
            "Scrape time",
            "Time to render /metrics, without the network. It grows with the number of series. Normal is "
            "tens of milliseconds.",
            *exporter_quantiles(names.SCRAPE_SECONDS, 0.5, 0.99),
            unit="s",
        ),
    ]


def event_age() -> Panel:
    """Age of events at receipt."""
    return graph(
        "Event age at receipt",
        "Age of the oldest event of a request: the delay of alerts. A ticket opens while "
        f"p{100 * LATE_QUANTILE:.0f} stays above the dashed line. Normal is seconds.",
        *exporter_quantiles(names.EVENT_DELAY, 0.5, LATE_QUANTILE, 0.99),
        line_at=LATE_SECONDS,
        unit="s",
        empty="No data: no events arrived in this time, or Prometheus scrapes no exporter.",
    )
