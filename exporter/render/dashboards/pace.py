"""Whether the exporter keeps pace, and whether events come in time and with codes that are known."""

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import panels
from exporter.render.dashboards.empty import NO_EXPORTER
from exporter.render.dashboards.looks import by_regexp
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import INSTANCES, of, own, quantile
from exporter.render.pack import Pack
from exporter.render.promql import INSTANCE


def commits() -> models.Panel:
    """How long the ledger's transactions take."""
    about = About(
        title="Is the disk fast enough? Time of a commit",
        reading="From a transaction's start to its fsync's end: half are below p50, all but one in a "
        "hundred below p99. Senders wait that long; normal is milliseconds on a flash disk.",
        empty="No data: nothing was committed in this time, or Prometheus scrapes no exporter.",
        unit="s",
    )
    return panels.graph(about, _quantiles(names.COMMIT_SECONDS, 0.5, 0.99))


def queue() -> models.Panel:
    """What waits for the ledger."""
    about = About(
        title="Does work pile up? Events waiting for the ledger",
        reading="Events that have arrived and are not yet on disk. Normal is near 0; when it grows, "
        "commits are slower than events arrive, and at its bound requests are answered 503.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    return panels.graph(
        about,
        [
            Query(of(names.QUEUE_EVENTS, INSTANCES), "{{instance}} events"),
            Query(of(names.QUEUE_BYTES, INSTANCES), "{{instance}} bytes"),
        ],
        [by_regexp(" bytes$", {"unit": "bytes", "custom.axisPlacement": "right"})],
    )


def scrapes() -> models.Panel:
    """How long /metrics takes."""
    about = About(
        title="Are scrapes fast? Time to render /metrics",
        reading="Without the network. Normal is tens of milliseconds; it grows with the number of "
        "series, that is with the configured labels.",
        empty=NO_EXPORTER,
        unit="s",
    )
    return panels.graph(about, _quantiles(names.SCRAPE_SECONDS, 0.5, 0.99))


def _quantiles(metric: str, *parts: float) -> list[Query]:
    return [
        Query(quantile(part, metric, INSTANCE), f"{{{{instance}}}} p{100 * part:.0f}")
        for part in parts
    ]


def delay(pack: Pack) -> models.Panel:
    """How old events are at their receipt."""
    limit = pack.policy.pipeline.events_delayed
    about = About(
        title="Do events come in time? Age at receipt",
        reading="Age of the oldest event of a request: alerts see an incident that much later. The "
        f"ticket comes when p{100 * limit.quantile:.0f} stays above the dashed line. Normal is seconds.",
        empty="No data: no events came in this time, or Prometheus scrapes no exporter.",
        unit="s",
    )
    parts = sorted({0.5, float(limit.quantile), 0.99})
    return panels.graph(about, _quantiles(names.EVENT_DELAY, *parts), line_at=limit.age)


def doubtful() -> models.Panel:
    """What is counted, and not quite as it should be."""
    about = About(
        title="Which events count with a reservation? Per second",
        reading="Late: too old to alert on. At least once: without any key, so that a retry counts "
        "again. Capped: a label's value was replaced by `other`. Normal is 0, or little of the first.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [
            Query(own(names.LATE_EVENTS, INSTANCE), "{{instance}} late"),
            Query(own(names.AT_LEAST_ONCE_EVENTS, INSTANCE), "{{instance}} at least once"),
            Query(own(names.CAPPED_LABELS, names.LABEL), "capped: {{label}}"),
        ],
    )


def unknown() -> models.Panel:
    """Codes that no taxonomy has."""
    about = About(
        title="Are there codes that nobody knows? Per second",
        reading="Events whose code the taxonomy does not have; they are counted as unknown. The "
        f"exporter lists the codes as they came at {names.UNKNOWN_CODES_PATH}. Normal is 0.",
        empty=NO_EXPORTER,
    )
    return panels.graph(about, [Query(own(names.UNKNOWN_CODE_EVENTS, names.SYSTEM), "{{system}}")])
