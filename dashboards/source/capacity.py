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
            "Ids in the window / capacity. At 100 % ids leave early, and late retries of their events "
            "count again.",
            Query(f"{ids} / {selector(names.WINDOW_CAPACITY, INSTANCES)}", "{{instance}}"),
            line_at=1,
            **percent(0),
        ),
        graph(
            "Deduplication window span",
            "Age of the oldest id, and ids removed per second (right axis): `ids` because the window is "
            "full (normal is 0), `age` because they expired.",
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
            "Bytes on disk. Grows with the number of series and the deduplication window, not with all "
            "events.",
            exporter_gauge(names.LEDGER_SIZE),
            unit="bytes",
        ),
    ]


def series() -> Panel:
    """Number of series."""
    count = f"count by ({INSTANCE}) ({selector(names.SESSION_ENDS, INSTANCES)})"
    return graph(
        "Session end series",
        "Series of the session ends counter, and new series that are zero-initialized first. A steady "
        "rise: a label has too many values.",
        Query(count, "{{instance}} series"),
        exporter_gauge(names.FIRST_SEEN_ZERO_SERIES, " new"),
        decimals=0,
        overrides=[by_regexp("/ new$/", reference_line("blue"))],
    )
