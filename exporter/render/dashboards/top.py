"""The table of the codes that sessions failed with most: name, owner, count, share, trend, fix."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards.firing import link, to_code, to_runbook
from exporter.render.dashboards.looks import (
    AS_WRITTEN,
    HIDDEN,
    OUTCOMES,
    above,
    by_name,
    mapped,
    marked,
    thresholds,
)
from exporter.render.dashboards.panels import About, Query, change, merged, rows
from exporter.render.dashboards.queries import (
    KEYS,
    NO_SUCCESS,
    SYSTEMS,
    of,
    share,
    summed,
    titled,
    with_meaning,
)
from exporter.render.dashboards.texts import fixes, keyed
from exporter.render.pack import Pack

MOST: Final = 10
"""Rows; a screen has room for eight, and who looks further scrolls."""


def top_codes(pack: Pack) -> models.Panel:
    """Columns by name; `A` counts, `B` is the share, `C` times usual, `D` the trend."""
    window, short = pack.policy.limit.windows[-1].window, pack.policy.limit.windows[0].window
    labels = f"{KEYS}, {names.OUTCOME}"
    counts = summed(labels, of(names.RULE_COUNT + window, SYSTEMS, NO_SUCCESS))
    # Extrapolation makes 0.98 of one end; what never ended so is no top code.
    top = f"topk({MOST}, {counts} > 0.5)"
    # The rows of the end of the range: one that was in the top only for a while is no row of its own.
    at_end = f"{names.RULE_COUNT + window}{{{SYSTEMS}, {NO_SUCCESS}}} @ end()"
    within = f"and on ({KEYS}) topk({MOST}, {summed(labels, at_end)} > 0.5)"
    usual = summed(KEYS, of(names.RULE_USUAL + window, SYSTEMS))
    trend = summed(KEYS, of(names.RULE_COUNT + short, SYSTEMS, NO_SUCCESS))
    named = titled(with_meaning(top, names.NAME, names.OWNER))
    about = About(
        title=f"Which codes, whose, and what to do? Top {MOST}, {window}",
        reading=f"The most frequent ends of the last {window} that are no successes. Share is of all "
        f"ends of the system; usual is what the code's own baseline leads to expect, so that 1 is "
        f"normal and from {pack.policy.limit.factor:g} on a page is near. The trend is of the whole "
        "time range. A code leads to its dashboard, a fix to its runbook.",
        empty=f"No session ended with anything but success in the last {window}.",
    )
    return rows(
        about,
        [
            Query(keyed(named, "fix"), rows=True),
            Query(f"{share(window, SYSTEMS, NO_SUCCESS)}\n{within}", rows=True),
            Query(f"{summed(KEYS, counts)} / {usual}\n{within}", rows=True),
            Query(f"{trend}\n{within}", "{{code}}"),
        ],
        [
            # Of the trend alone: a table of one row looks like a series to Grafana.
            change("timeSeriesTable", only="D"),
            *merged(
                {
                    "title": "Code",
                    names.OUTCOME: "Outcome",
                    names.OWNER: "Whose job",
                    "Value #A": "Count",
                    "Value #B": "Share",
                    "Value #C": "× usual",
                    "Trend #D": "Trend",
                    "fix": "What to do",
                },
                names.NAME,
            ),
        ],
        _columns(pack),
        sort="Count",
    )


def _columns(pack: Pack) -> list[models.DashboardFieldConfigSourceOverrides]:
    limit = pack.policy.limit.factor
    return [
        by_name(
            "Code",
            {
                "custom.width": 230,
                "links": [link("This code", to_code(names.SYSTEM, names.CODE))],
            },
        ),
        by_name("Outcome", {**marked(OUTCOMES), "custom.width": 75}),
        by_name("Whose job", {"custom.width": 130}),
        by_name("Count", {"decimals": 0, "custom.width": 65}),
        by_name("Share", {"unit": "percentunit", "decimals": 1, "custom.width": 70}),
        by_name(
            "× usual",
            {
                "decimals": 1,
                "custom.width": 75,
                "custom.cellOptions": {"type": "color-text"},
                "thresholds": thresholds(above(limit, warning=limit / 2)).to_json(),
            },
        ),
        by_name(
            "Trend",
            {"custom.width": 130, "custom.cellOptions": {"type": "sparkline", "hideValue": True}},
        ),
        by_name(
            "What to do",
            {
                "mappings": mapped(fixes(pack)),
                "custom.inspect": True,
                "links": [link("Runbook", to_runbook(pack, names.SYSTEM, names.CODE), away=True)],
            },
        ),
        by_name(names.SYSTEM, HIDDEN),
        by_name(names.CODE, {**HIDDEN, **AS_WRITTEN}),
    ]
