"""Capacity of the exporter: deduplication window, ledger size, number of series."""

from dashboards.source.panels import Panel, graph, percent
from dashboards.source.queries import (
    INSTANCE,
    INSTANCES,
    Query,
    exporter_gauge,
    exporter_rate,
    selector,
)
from dashboards.source.style import BAD, by_name, by_regexp, colored, reference_line
from exporter import names


def storage() -> list[Panel]:
    """Deduplication window and ledger."""
    ids = selector(names.WINDOW_IDS, INSTANCES)
    return [
        graph(
            "Deduplication window used",
            "Ids in the window, as a part of the ids that it can hold. At 100 % the oldest ids leave "
            "early, and a retry of their events counts again.",
            Query(f"{ids} / {selector(names.WINDOW_CAPACITY, INSTANCES)}", "{{instance}}"),
            line_at=1,
            **percent(0),
        ),
        graph(
            "Deduplication window span",
            "Age of the oldest id in the window, and the ids that leave it per second because it is "
            "full (`ids`, right axis; normal is 0) or because of their age (`age`).",
            exporter_gauge(names.WINDOW_SPAN),
            exporter_rate(names.WINDOW_EXPIRED, names.BOUND, "left per second: {}"),
            unit="s",
            overrides=[
                by_regexp("/^left /", {"unit": "short", "custom.axisPlacement": "right"}),
                by_name("left per second: ids", colored(BAD)),
            ],
        ),
        graph(
            "Ledger size",
            "Bytes on disk. It grows with the number of series and with the deduplication window, "
            "not with the number of all events.",
            exporter_gauge(names.LEDGER_SIZE),
            unit="bytes",
        ),
    ]


def series() -> Panel:
    """Number of series."""
    count = f"count by ({INSTANCE}) ({selector(names.SESSION_ENDS, INSTANCES)})"
    return graph(
        "Series of session ends",
        "All series of the ends counter, and the new series that are still exported as 0 so "
        "that `increase` misses no end. A steady rise is a label with too many values.",
        Query(count, "{{instance}} series"),
        exporter_gauge(names.HELD_SERIES, " new"),
        decimals=0,
        overrides=[by_regexp("/ new$/", reference_line("blue"))],
    )
