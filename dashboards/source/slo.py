"""Session ends: SLO. Success ratio, burn rate, remaining error budget, and the codes that used it."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.layout import Dashboard, Strip, build
from dashboards.source.panels import Columns, Panel, bars, graph, number, percent, table
from dashboards.source.queries import ALLOWED, OBJECTIVE, PERIOD, SYSTEMS, Query, selector, total
from dashboards.source.shared import data_state
from dashboards.source.variables import OF_CODE, system
from exporter import names

BURN_RATES: Final = (("1h", "5m", 14.4), ("6h", "30m", 6), ("3d", "6h", 1))
"""Long window, short window and factor of the alert SessionEndBudgetBurn."""
MET_OR_MISSED: Final = style.by_queries((style.GOOD, style.BAD))
"""A query for each color: the thresholds of a panel would be the same for every system."""
STEP: Final = "1h"
"""A table of a month in steps of 5 minutes would take too long."""
COUNTS: Final = total(
    queries.KEYS, f"sum_over_time({selector(names.RULE_COUNT + STEP, SYSTEMS)}[{PERIOD}:{STEP}])"
)
BUDGET_COLUMNS: Final[Columns] = {
    names.SYSTEM: ("System", {"custom.width": 120}),
    "title": ("Code", {**style.TEXT, "custom.minWidth": 310, "links": OF_CODE}),
    names.OWNER: ("Owner", {**style.OWNERS, "custom.width": 145}),
    "Value #B": ("Failures", {"decimals": 0, "custom.width": 95}),
    "Value #A": (
        "Share of budget",
        {
            **percent(1),
            "min": 0,
            "custom.minWidth": 200,
            "custom.cellOptions": {"type": "gauge", "mode": "gradient"},
            **style.colored(style.BAD),
        },
    ),
}


def dashboard() -> Dashboard:
    strips = (
        Strip(4, [_success_ratio(), budget_remaining(), _burn_rate(), data_state()], (9, 6, 7, 2)),
        Strip(8, [_burn_rates(*windows) for windows in BURN_RATES]),
        Strip(8, _over_time()),
        Strip(12, [_budget_by_code(), failures_by_owner(PERIOD, COUNTS)], (17, 7)),
    )
    return build(
        "session-ends-slo",
        "Session ends: SLO",
        f"Is the objective met over {PERIOD}, how fast is the error budget used, and by which codes?",
        {"": strips},
        [system()],
        alerts=['signal="budget"', SYSTEMS],
        range="now-7d",
        refresh="5m",
    )


def _success_ratio() -> Panel:
    ratio = f"(1 - {queries.PERIOD_FAILURE_RATIO})"
    return number(
        f"Success ratio ({PERIOD})",
        f"Successes / (successes + failures) in {PERIOD}, beside the objective. Green: the objective "
        "is met. Red: it is missed. Covers only the samples that Prometheus keeps.",
        Query(f"{ratio} >= on ({names.SYSTEM}) {OBJECTIVE}", "{{system}}", instant=True),
        Query(f"{ratio} < on ({names.SYSTEM}) {OBJECTIVE}", "{{system}}", instant=True),
        Query(OBJECTIVE, "{{system}} objective", instant=True),
        overrides=MET_OR_MISSED,
        **percent(3),
    )


def budget_remaining() -> Panel:
    return number(
        f"Error budget remaining ({PERIOD})",
        f"Remaining share of the failures that the objective allows in {PERIOD}. 100 %: unused. Below 0: "
        "the objective is missed. Covers only the samples that Prometheus keeps.",
        Query(queries.BUDGET_LEFT, "{{system}}", instant=True),
        # Red from -1e9 on, as a budget can be exceeded many times. The color before it is for no data.
        steps=(*style.PLAIN, (-1e9, style.BAD), (0, style.WARNING), (0.25, style.GOOD)),
        **percent(1),
    )


def _burn_rate() -> Panel:
    long, _, factor = BURN_RATES[0]
    return number(
        f"Burn rate ({long})",
        f"At 1 the error budget lasts exactly {PERIOD}; above {factor:g} a ticket opens.",
        _rate(long),
        steps=style.above(factor, warning=1),
        decimals=1,
    )


def _rate(window: str) -> Query:
    return Query(f"{queries.failure_ratio(window)} / {ALLOWED}", "{{cluster}} {{system}}")


def _burn_rates(long: str, short: str, factor: float) -> Panel:
    return graph(
        f"Burn rate ({long} and {short})",
        f"A ticket opens while both windows are above the dashed line at {factor:g} and {long} has more "
        f"than a few failures. The {short} window (dashed) shows whether the burn continues.",
        _rate(long),
        _rate(short),
        line_at=factor,
        soft=2 * factor,
        decimals=1,
        calcs=["lastNotNull"],
        # A color per name: both windows of a system have the same. Linear below 1, where all is well.
        colors="palette-classic-by-name",
        custom={"scaleDistribution": {"type": "symlog", "log": 10, "linearThreshold": 1}},
        overrides=[
            style.by_query(
                "B",
                {
                    **style.dashed(),
                    "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False},
                },
            )
        ],
    )


def _over_time() -> list[Panel]:
    count = queries.count("1d")
    failures = total(names.SYSTEM, queries.matching(count, queries.FAILURE))
    ends = total(names.SYSTEM, queries.matching(count, queries.NO_NEUTRAL))
    return [
        graph(
            f"Error budget over time ({PERIOD})",
            f"Budget of the {PERIOD} before each time. It falls with an incident, rises when an incident "
            "leaves the period, and slopes steadily when a code always fails.",
            Query(queries.BUDGET_LEFT, "{{system}}"),
            line_at=0,
            low=None,
            soft=1,
            colors="palette-classic-by-name",
            **percent(1),
        ),
        graph(
            "Failure ratio (1d)",
            "Failures / (successes + failures) in the day before. Dashed: what the objective allows.",
            Query(f"{failures} / ({ends} > 0)", "{{system}}"),
            Query(f"1 - {OBJECTIVE}", "{{system}} allowed"),
            colors="palette-classic-by-name",
            overrides=[style.by_query("B", style.dashed(style.WARNING))],
            **percent(2),
        ),
    ]


def _budget_by_code() -> Panel:
    ends = queries.over_period(STEP, queries.NO_NEUTRAL)
    used = f"({COUNTS} > 0.5) / {queries.ON_SYSTEM} ({ends} > 0) / {ALLOWED}"
    by_code = queries.with_info(used, (names.NAME, names.OWNER), queries.FAILURE)
    return table(
        f"Budget used by code ({PERIOD})",
        f"Failures of {PERIOD} up to the last full hour, and their share of the failures that the objective "
        "allows. The shares of a system add up to its used budget. A code links to its dashboard.",
        queries.rows(queries.with_title(by_code)),
        queries.rows(queries.matching(f"({COUNTS} > 0.5)", queries.FAILURE)),
        columns=BUDGET_COLUMNS,
        joined_by=queries.KEYS,
        dropped=[names.NAME],
        hidden=[style.HIDDEN_CODE],
        sort=[("Share of budget", True)],
        empty=f"No failure in {PERIOD}, or see the panel Data.",
    )


def failures_by_owner(window: str, counts: str) -> Panel:
    """Failures by owner; `counts` is PromQL for the ends of each code."""
    failures = queries.with_info(counts, (names.OWNER,), queries.FAILURE)
    return bars(
        f"Failures by owner ({window})",
        f"Failures of {window} by the team that acts on their codes, largest first. "
        f"Without {queries.REPEATS}.",
        Query(f"sort_desc({total(names.OWNER, failures)} > 0.5)", "{{owner}}", instant=True),
        overrides=style.TITLES,
    )
