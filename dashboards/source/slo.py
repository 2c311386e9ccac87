"""Session ends: SLO. Success ratio, burn rate, remaining error budget, and the codes that used it."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.layout import Dashboard, Section, Strip, build
from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import MERGED, Columns, Panel, bars, graph, number, percent, table
from dashboards.source.queries import OBJECTIVE, ON_SYSTEM, PERIOD, SYSTEMS, Query, selector, total
from dashboards.source.variables import system
from exporter import names

BURN_RATES: Final = (("1h", "5m", 14.4), ("6h", "30m", 6), ("3d", "6h", 1))
"""Long window, short window and factor of the alert SessionEndBudgetBurn."""
MET_OR_MISSED: Final = (
    style.by_query("A", style.colored(style.GOOD)),
    style.by_query("B", style.colored(style.BAD)),
)
"""A query for each color: the thresholds of a panel would be the same for every system."""
STEP: Final = "1h"
"""A table of a month in steps of 5 minutes would take too long."""
COUNTS: Final = f"sum_over_time({selector(names.RULE_COUNT + STEP, SYSTEMS)}[{PERIOD}:{STEP}])"
NO_FAILURE: Final = f"No failure in {PERIOD}, or the recording rules are not loaded."
SHARE_OF_BUDGET: Final = "Share of budget"
BUDGET_COLUMNS: Final[Columns] = {
    names.SYSTEM: ("System", {"custom.width": 120}),
    "title": ("Code", {**style.TEXT, "links": [to_code("System"), to_code_runbook("System")]}),
    names.OWNER: ("Owner", {"custom.width": 150}),
    "Value #B": ("Failures", {"decimals": 0, "custom.width": 90}),
    "Value #A": (
        SHARE_OF_BUDGET,
        {
            "unit": "percentunit",
            "decimals": 1,
            "min": 0,
            "max": 1,
            "custom.cellOptions": {"type": "gauge", "mode": "basic"},
            **style.colored(style.BAD),
        },
    ),
}


def dashboard() -> Dashboard:
    by_owner = failures_by(names.OWNER, PERIOD, COUNTS, NO_FAILURE)
    strips = (
        Strip(4, [_success_ratio(), budget_remaining(), _burn_rate()]),
        Strip(8, [_burn_rates(*windows) for windows in BURN_RATES]),
        Strip(9, _over_time()),
        Strip(11, [_budget_by_code(), by_owner], (16, 8)),
    )
    return build(
        "session-ends-slo",
        "Session ends: SLO",
        f"Is the objective met over {PERIOD}, how fast is the error budget used, and by which "
        "codes?",
        [Section("", strips)],
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
        Query(f"{ratio} >= {ON_SYSTEM} {OBJECTIVE}", "{{system}}", instant=True),
        Query(f"{ratio} < {ON_SYSTEM} {OBJECTIVE}", "{{system}}", instant=True),
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
        steps=((None, style.BAD), (0, style.WARNING), (0.25, style.GOOD)),
        **percent(1),
    )


def _burn_rate() -> Panel:
    long, _, factor = BURN_RATES[0]
    return number(
        f"Burn rate ({long})",
        f"Speed of error budget use: at 1 the budget lasts exactly {PERIOD}; above {factor:g} a ticket "
        "opens. Normal is below 1.",
        _rate(long),
        steps=style.above(factor, warning=1),
        sparkline=True,
        decimals=1,
        empty=f"No session that counts ended in the last {long}.",
    )


def _rate(window: str) -> Query:
    return Query(queries.burn_rate(queries.failure_ratio(window)), f"{{{{system}}}} {window}")


def _burn_rates(long: str, short: str, factor: float) -> Panel:
    return graph(
        f"Burn rate ({long} and {short})",
        f"A ticket opens while both windows are above the dashed line at {factor:g} and {long} has more "
        f"than a few failures. The {short} window (dashed) shows whether the burn continues. Normal is "
        "below 1.",
        _rate(long),
        _rate(short),
        line_at=factor,
        decimals=1,
        empty=f"No session that counts ended in the last {short}.",
        overrides=[style.by_regexp(f"/ {short}$/", style.DASHED)],
    )


def _over_time() -> list[Panel]:
    count = selector(names.RULE_COUNT + "1d", SYSTEMS)
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
            top=1,
            **percent(1),
        ),
        graph(
            "Failure ratio (1d)",
            "Failures / (successes + failures) in the day before each time. The dashed line is the average "
            "that the objective allows.",
            Query(f"{failures} / ({ends} > 0)", "{{system}}"),
            Query(f"1 - {OBJECTIVE}", "{{system}} allowed"),
            overrides=[style.by_query("B", style.reference_line(style.WARNING))],
            **percent(2),
        ),
    ]


def _budget_by_code() -> Panel:
    ends = queries.over_period(STEP, queries.NO_NEUTRAL)
    used = queries.burn_rate(
        f"{COUNTS}\n/ {queries.MANY_TO_SYSTEM} ({ends} > 0)", queries.MANY_TO_SYSTEM
    )
    by_code = queries.with_info(used, (names.NAME, names.OWNER), queries.FAILURE)
    largest = f"topk(15, {by_code})"
    return table(
        f"Budget used by code ({PERIOD})",
        f"Failures of {PERIOD} up to the last full hour, and their share of the failures that the objective "
        "allows. The shares of a system add up to its used budget. A code links to its dashboard.",
        queries.rows(queries.with_title(largest)),
        queries.rows(f"{COUNTS}\nand on ({queries.KEYS}) {largest}"),
        columns=BUDGET_COLUMNS,
        transformations=MERGED,
        dropped=[names.NAME],
        hidden=[style.HIDDEN_CODE],
        sort=SHARE_OF_BUDGET,
        empty=NO_FAILURE,
    )


def failures_by(label: str, window: str, counts: str, empty: str = "") -> Panel:
    """Failures by a label of their codes; `counts` is PromQL for the ends of each code."""
    failures = total(label, queries.with_info(counts, (label,), queries.FAILURE))
    return bars(
        f"Failures by {label} ({window})",
        f"Failures of {window} by the {label} of the code, largest first.",
        Query(f"sort_desc({failures})", f"{{{{{label}}}}}", instant=True),
        color=style.BAD,
        decimals=0,
        empty=empty,
    )
