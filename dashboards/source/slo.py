"""Session ends: SLO. Success ratio, burn rate, remaining error budget, and the codes that used it."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.layout import Strip, build
from dashboards.source.panels import BY_NAME, Panel, bars, graph, number, percent, table
from dashboards.source.queries import ALLOWED, OBJECTIVE, PERIOD, SYSTEMS, latest, series, total
from dashboards.source.shared import data_state
from dashboards.source.variables import OF_CODE, SYSTEM
from exporter import names

BURN_RATES: Final = (("1h", "5m", 14.4), ("6h", "30m", 6), ("3d", "6h", 1))
"""Long window, short window and factor of the alert SessionEndBudgetBurn."""
MET_OR_MISSED: Final = style.by_queries((style.GOOD, style.BAD))
"""A query for each color: the thresholds of a panel would be the same for every system."""
STEP: Final = "1h"
"""A table of a month in steps of 5 minutes would take too long."""
COUNTS: Final = total(
    queries.KEYS,
    f"sum_over_time({queries.selector(names.RULE_COUNT + STEP, SYSTEMS)}[{PERIOD}:{STEP}])",
)
RATIO: Final = f"(1 - {queries.PERIOD_FAILURE_RATIO})"
DAY: Final = queries.count("1d")
DAY_FAILURES: Final = total(names.SYSTEM, queries.matching(DAY, queries.FAILURE))
DAY_ENDS: Final = total(names.SYSTEM, queries.matching(DAY, queries.NO_NEUTRAL))
ENDS: Final = queries.over_period(STEP, queries.NO_NEUTRAL)
USED: Final = f"({COUNTS} > 0.5) / {queries.ON_SYSTEM} ({ENDS} > 0) / {ALLOWED}"
USED_BY_CODE: Final = queries.with_info(USED, (names.NAME, names.OWNER), queries.FAILURE)


def _rate(window: str) -> queries.Query:
    return series(f"{queries.failure_ratio(window)} / {ALLOWED}", "{{cluster}} {{system}}")


def _burn_rates(long: str, short: str, factor: float) -> Panel:
    # A color per name: both windows of a system have the same. Linear below 1, where all is well.
    scale = {"scaleDistribution": {"type": "symlog", "log": 10, "linearThreshold": 1}}
    hidden = {"custom.hideFrom": {"legend": True, "tooltip": False, "viz": False}}
    return graph(
        f"Burn rate ({long} and {short})",
        f"A ticket opens while both windows are above the dashed line at {factor:g} and {long} has more "
        f"than a few failures. The {short} window (dashed) shows whether the burn continues.",
        _rate(long),
        _rate(short),
        line_at=factor,
        decimals=1,
        legend={"calcs": ["lastNotNull"]},
        color=BY_NAME,
        custom={"axisSoftMax": 2 * factor, **scale},
        overrides=[style.by_query("B", {**style.DASHED, **hidden})],
    )


def failures_by_owner(window: str, counts: str) -> Panel:
    """Failures by owner; `counts` is PromQL for the ends of each code."""
    failures = queries.with_info(counts, (names.OWNER,), queries.FAILURE)
    return bars(
        f"Failures by owner ({window})",
        f"Failures of {window} by the team that acts on their codes, largest first. "
        f"Without {queries.REPEATS}.",
        latest(f"sort_desc({total(names.OWNER, failures)} > 0.5)", "{{owner}}"),
        overrides=style.TITLES,
    )


SUCCESS_RATIO: Final = number(
    f"Success ratio ({PERIOD})",
    f"Successes / (successes + failures) in {PERIOD}, beside the objective. Green: the objective "
    "is met. Red: it is missed. Covers only the samples that Prometheus keeps.",
    latest(f"{RATIO} >= on ({names.SYSTEM}) {OBJECTIVE}", "{{system}}"),
    latest(f"{RATIO} < on ({names.SYSTEM}) {OBJECTIVE}", "{{system}}"),
    latest(OBJECTIVE, "{{system}} objective"),
    overrides=MET_OR_MISSED,
    **percent(3),
)
BUDGET_REMAINING: Final = number(
    f"Error budget remaining ({PERIOD})",
    f"Remaining share of the failures that the objective allows in {PERIOD}. 100 %: unused. Below 0: "
    "the objective is missed. Covers only the samples that Prometheus keeps.",
    latest(queries.BUDGET_LEFT, "{{system}}"),
    # Red from -1e9 on, as a budget can be exceeded many times. The color before it is for no data.
    steps=(*style.PLAIN, (-1e9, style.BAD), (0, style.WARNING), (0.25, style.GOOD)),
    **percent(1),
)
BURN_RATE: Final = number(
    f"Burn rate ({BURN_RATES[0][0]})",
    f"At 1 the error budget lasts exactly {PERIOD}; above {BURN_RATES[0][2]:g} a ticket opens.",
    _rate(BURN_RATES[0][0]),
    steps=style.above(BURN_RATES[0][2], warning=1),
    decimals=1,
)
OVER_TIME: Final = (
    graph(
        f"Error budget over time ({PERIOD})",
        f"Budget of the {PERIOD} before each time. It falls with an incident, rises when an incident "
        "leaves the period, and slopes steadily when a code always fails.",
        series(queries.BUDGET_LEFT, "{{system}}"),
        line_at=0,
        min=None,
        custom={"axisSoftMax": 1},
        color=BY_NAME,
        **percent(1),
    ),
    graph(
        "Failure ratio (1d)",
        "Failures / (successes + failures) in the day before. Dashed: what the objective allows.",
        series(f"{DAY_FAILURES} / ({DAY_ENDS} > 0)", "{{system}}"),
        series(f"1 - {OBJECTIVE}", "{{system}} allowed"),
        color=BY_NAME,
        overrides=[style.by_query("B", style.dashed(style.WARNING))],
        **percent(2),
    ),
)
SHARE_OF_BUDGET: Final = {
    **percent(1),
    # A full bar is the whole budget. Without `max`, the range of the bars includes the column Failures.
    "min": 0,
    "max": 1,
    "custom.minWidth": 200,
    "custom.cellOptions": {"type": "gauge", "mode": "gradient"},
    **style.colored(style.BAD),
}
BUDGET_BY_CODE: Final = table(
    f"Budget used by code ({PERIOD})",
    f"Failures of {PERIOD} up to the last full hour, and their share of the failures that the objective "
    "allows. The shares of a system add up to its used budget. A code links to its dashboard.",
    queries.rows(queries.with_title(USED_BY_CODE)),
    queries.rows(queries.matching(f"({COUNTS} > 0.5)", queries.FAILURE)),
    columns={
        names.SYSTEM: ("System", {"custom.width": 120}),
        "title": ("Code", {**style.TEXT, "custom.minWidth": 310, "links": OF_CODE}),
        names.OWNER: ("Owner", {**style.OWNERS, "custom.width": 145}),
        "Value #B": ("Failures", {"decimals": 0, "custom.width": 95}),
        "Value #A": ("Share of budget", SHARE_OF_BUDGET),
        names.CODE: style.HIDDEN_CODE,
    },
    joined_by=queries.KEYS,
    sort=[("Share of budget", True)],
    empty=f"No failure in {PERIOD}, or see the panel Data.",
)
DASHBOARD: Final = build(
    "session-ends-slo",
    "Session ends: SLO",
    f"Is the objective met over {PERIOD}, how fast is the error budget used, and by which codes?",
    {
        "": [
            Strip(4, [SUCCESS_RATIO, BUDGET_REMAINING, BURN_RATE, data_state()], (9, 6, 7, 2)),
            Strip(8, [_burn_rates(*windows) for windows in BURN_RATES]),
            Strip(8, OVER_TIME),
            Strip(12, [BUDGET_BY_CODE, failures_by_owner(PERIOD, COUNTS)], (17, 7)),
        ]
    },
    [SYSTEM],
    alerts=['signal="budget"', SYSTEMS],
    range="now-7d",
    refresh="5m",
)
