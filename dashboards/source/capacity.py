"""Capacity of the exporter: deduplication window, ledger size, number of series."""

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.empty import NO_EXPORTER
from dashboards.source.panels import PER_INSTANCE, About, Query
from dashboards.source.queries import INSTANCE, INSTANCES, per_second, selector
from dashboards.source.style import BAD, by_name, by_regexp, colored, reference
from exporter import names


def window() -> models.Panel:
    """Used part of the deduplication window."""
    about = About(
        title="Deduplication window used",
        description="Ids in the window, as a part of the ids that it can hold. At 100 % the oldest ids leave "
        "early, and a retry of their events counts again.",
        empty=NO_EXPORTER,
        unit="percentunit",
        decimals=0,
    )
    used = selector(names.WINDOW_IDS, INSTANCES)
    part = f"{used} / {selector(names.WINDOW_CAPACITY, INSTANCES)}"
    return panels.graph(about, [Query(part, PER_INSTANCE)], line_at=1)


def span() -> models.Panel:
    """Time that the deduplication window covers."""
    about = About(
        title="Deduplication window span",
        description="Age of the oldest id in the window, and the ids that leave it per second because it is "
        "full (`ids`, right axis; normal is 0) or because of their age (`age`).",
        empty=NO_EXPORTER,
        unit="s",
    )
    expired = per_second(names.WINDOW_EXPIRED, names.BOUND)
    return panels.graph(
        about,
        [
            Query(selector(names.WINDOW_SPAN, INSTANCES), PER_INSTANCE),
            Query(expired, "left per second: {{bound}}"),
        ],
        [
            by_regexp("^left ", {"unit": "short", "custom.axisPlacement": "right"}),
            by_name("left per second: ids", colored(BAD)),
        ],
    )


def size() -> models.Panel:
    """Bytes of the ledger."""
    about = About(
        title="Ledger size",
        description="Bytes on disk. It grows with the number of series and with the deduplication window, "
        "not with the number of all events.",
        empty=NO_EXPORTER,
        unit="bytes",
    )
    return panels.graph(about, [Query(selector(names.LEDGER_SIZE, INSTANCES), PER_INSTANCE)])


def series() -> models.Panel:
    """Number of series."""
    about = About(
        title="Series of session ends",
        description="All series of the ends counter, and the new series that are still exported as 0 so "
        "that `increase` misses no end. A steady rise is a label with too many values.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    count = f"count by ({INSTANCE}) ({selector(names.SESSION_ENDS, INSTANCES)})"
    return panels.graph(
        about,
        [
            Query(count, "{{instance}} series"),
            Query(selector(names.HELD_SERIES, INSTANCES), "{{instance}} new"),
        ],
        [by_regexp(" new$", reference("blue"))],
    )
