"""The table of the most frequent codes: name, owner, count, share, trend, fix."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import About, Query, merged, rows, transformation
from dashboards.source.queries import (
    KEYS,
    NO_SUCCESS,
    SYSTEMS,
    expected,
    selector,
    share,
    titled,
    total,
    with_words,
    words,
)
from dashboards.source.style import (
    HIDDEN,
    OUTCOMES,
    TEXT,
    Override,
    above,
    by_name,
    marked,
    thresholds,
)
from exporter import names

MOST: Final = 10
WINDOW: Final = "1h"
TREND_WINDOW: Final = "5m"


def top_codes() -> models.Panel:
    """Queries: `A` is the count, `B` the share, `C` the multiple of the expected count, `D` the trend."""
    count = selector(names.RULE_COUNT + WINDOW, SYSTEMS)
    labels = (names.NAME, names.OWNER, names.OUTCOME)
    # Extrapolation makes 0.98 of a single end.
    top = f"topk({MOST}, {with_words(count, labels, NO_SUCCESS)} > 0.5)"
    fix = (
        f"({top})\n* on ({KEYS}) group_left ({names.FIX}) {selector(names.RULE_CODE_HELP, SYSTEMS)}"
    )
    # The rows of the end of the range: a code that was in the top only for a while gets no row.
    counted_at_end = f"{count} @ end() and on ({KEYS}) {words(NO_SUCCESS)} @ end()"
    within = f"and on ({KEYS}) topk({MOST}, ({counted_at_end}) > 0.5)"
    trend = total(KEYS, selector(names.RULE_COUNT + TREND_WINDOW, SYSTEMS))
    about = About(
        title=f"Top {MOST} codes ({WINDOW})",
        description=f"The most frequent codes of the last {WINDOW} that are not a success. Share is the "
        "part of all ends of the system. × expected compares the count with the code's baseline: 1 is "
        "normal. The trend covers the whole time range. A code links to its dashboard, a fix to its "
        "runbook.",
        empty=f"No session ended with a code other than success in the last {WINDOW}.",
    )
    return rows(
        about,
        [
            Query(titled(fix), rows=True),
            Query(f"{share(WINDOW, SYSTEMS)}\n{within}", rows=True),
            Query(f"{count} / ({expected(WINDOW, SYSTEMS)})\n{within}", rows=True),
            Query(f"{trend}\n{within}", "{{code}}"),
        ],
        [
            # Only of the trend: Grafana takes a table of one row for a series.
            transformation("timeSeriesTable", only="D"),
            *merged(
                {
                    "title": "Code",
                    names.OUTCOME: "Outcome",
                    names.OWNER: "Owner",
                    "Value #A": "Count",
                    "Value #B": "Share",
                    "Value #C": "× expected",
                    "Trend #D": "Trend",
                    names.FIX: "Fix",
                },
                names.NAME,
            ),
        ],
        _columns(),
        sort="Count",
    )


def _columns() -> list[Override]:
    return [
        by_name(
            "Code",
            {
                **TEXT,
                "custom.width": 230,
                "links": [to_code(names.SYSTEM)],
            },
        ),
        by_name("Outcome", {**marked(OUTCOMES), "custom.width": 75}),
        by_name("Owner", {"custom.width": 130}),
        by_name("Count", {"decimals": 0, "custom.width": 65}),
        by_name("Share", {"unit": "percentunit", "decimals": 1, "custom.width": 70}),
        by_name(
            "× expected",
            {
                "decimals": 1,
                "custom.width": 85,
                "custom.cellOptions": {"type": "color-text"},
                "thresholds": thresholds(above(3, warning=1.5)).to_json(),
            },
        ),
        by_name(
            "Trend",
            {"custom.width": 130, "custom.cellOptions": {"type": "sparkline", "hideValue": True}},
        ),
        by_name("Fix", {**TEXT, "custom.inspect": True, "links": [to_code_runbook(names.SYSTEM)]}),
        by_name(names.SYSTEM, HIDDEN),
        by_name(names.CODE, {**HIDDEN, **TEXT}),
    ]
