"""The table of the most frequent codes: name, owner, count, share, trend, fix."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import MERGED, Columns, Panel, table, transformation
from dashboards.source.queries import KEYS, NO_SUCCESS, SYSTEMS, Query, rows, selector
from exporter import names

MOST: Final = 10
WINDOW: Final = "1h"
COLUMNS: Final[Columns] = {
    "title": ("Code", {**style.TEXT, "custom.width": 230, "links": [to_code(names.SYSTEM)]}),
    names.OUTCOME: ("Outcome", {**style.value_colors(style.OUTCOMES), "custom.width": 75}),
    names.OWNER: ("Owner", {"custom.width": 130}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 65}),
    "Value #B": ("Share", {"unit": "percentunit", "decimals": 1, "custom.width": 70}),
    "Value #C": (
        "× expected",
        {
            "decimals": 1,
            "custom.width": 85,
            "custom.cellOptions": {"type": "color-text"},
            "thresholds": style.thresholds(style.above(3, warning=1.5)).to_json(),
        },
    ),
    "Trend #D": (
        "Trend",
        {"custom.width": 130, "custom.cellOptions": {"type": "sparkline", "hideValue": True}},
    ),
    names.FIX: (
        "Fix",
        {**style.TEXT, "custom.inspect": True, "links": [to_code_runbook(names.SYSTEM)]},
    ),
}


def top_codes() -> Panel:
    """Queries: `A` is the count, `B` the share, `C` the multiple of the expected count, `D` the trend."""
    count = selector(names.RULE_COUNT + WINDOW, SYSTEMS)
    labels = (names.NAME, names.OWNER, names.OUTCOME)
    # Extrapolation makes 0.98 of a single end.
    top = f"topk({MOST}, {queries.with_info(count, labels, NO_SUCCESS)} > 0.5)"
    help_texts = selector(names.RULE_CODE_HELP, SYSTEMS)
    fix = f"({top})\n* on ({KEYS}) group_left ({names.FIX}) {help_texts}"
    # The rows of the end of the range: a code that was in the top only for a while gets no row.
    at_end = f"{count} @ end() and on ({KEYS}) {queries.code_info(NO_SUCCESS)} @ end()"
    within = f"\nand on ({KEYS}) topk({MOST}, ({at_end}) > 0.5)"
    trend = queries.total(KEYS, selector(names.RULE_COUNT + "5m", SYSTEMS))
    return table(
        f"Top {MOST} codes ({WINDOW})",
        f"Most frequent codes of the last {WINDOW} other than success. Share: part of all ends of the "
        "system. × expected: count / expected count, normal is 1. A code links to its dashboard, a fix to "
        "its runbook.",
        rows(queries.with_title(fix)),
        rows(queries.share(WINDOW, SYSTEMS) + within),
        rows(f"{count} / ({queries.expected(WINDOW, SYSTEMS)}){within}"),
        Query(trend + within, "{{code}}"),
        columns=COLUMNS,
        # Only of the trend: Grafana takes a table of one row for a series.
        transformations=[transformation("timeSeriesTable", query="D"), *MERGED],
        dropped=[names.NAME],
        hidden=[style.HIDDEN_SYSTEM, style.HIDDEN_CODE],
        sort="Count",
        empty=f"No session ended with a code other than success in the last {WINDOW}.",
    )
