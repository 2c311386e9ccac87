"""Session ends: SLO. Success ratio, burn rate, remaining error budget, and the codes that used it."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import queries, style
from dashboards.source.budget_by_code import budget_by_code, budget_by_owner
from dashboards.source.layout import Section, Strip, build
from dashboards.source.panels import Panel, graph, number, percent
from dashboards.source.queries import OBJECTIVE, ON_SYSTEM, PERIOD, SYSTEMS, Query, selector
from dashboards.source.variables import system
from exporter import names

BURN_RATES: Final = (("1h", "5m", 14.4), ("6h", "30m", 6), ("3d", "6h", 1))
"""Long window, short window and factor of the alert SessionEndBudgetBurn."""
MET_OR_MISSED: Final = (
    style.by_query("A", style.colored(style.GOOD)),
    style.by_query("B", style.colored(style.BAD)),
)
"""A query for each color: the thresholds of a panel would be the same for every system."""


def dashboard() -> Dashboard:
    """For the weekly review."""
    strips = (
        Strip(4, _numbers()),
        Strip(8, [_burn_rates(*windows) for windows in BURN_RATES]),
        Strip(9, _over_time()),
        Strip(11, [budget_by_code(), budget_by_owner()], (16, 8)),
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


def _numbers() -> list[Panel]:
    long, _, factor = BURN_RATES[0]
    ratio = f"(1 - {queries.PERIOD_FAILURE_RATIO})"
    return [
        number(
            f"Success ratio ({PERIOD})",
            f"Successes / (successes + failures) in {PERIOD}, beside the objective. Green: the objective "
            "is met. Red: it is missed. Covers only the samples that Prometheus keeps.",
            Query(f"{ratio} >= {ON_SYSTEM} {OBJECTIVE}", "{{system}}", instant=True),
            Query(f"{ratio} < {ON_SYSTEM} {OBJECTIVE}", "{{system}}", instant=True),
            Query(OBJECTIVE, "{{system}} objective", instant=True),
            overrides=MET_OR_MISSED,
            **percent(3),
        ),
        budget_remaining(),
        number(
            f"Burn rate ({long})",
            f"Speed of error budget use: at 1 the budget lasts exactly {PERIOD}; above {factor:g} a ticket "
            "opens. Normal is below 1.",
            _rate(long),
            steps=style.above(factor, warning=1),
            sparkline=True,
            decimals=1,
            empty=f"No session that counts ended in the last {long}.",
        ),
    ]


def recent_success_ratio(window: str) -> Panel:
    """Over time; the ratio at the end of the range decides about the color."""
    last = f"{selector(names.RULE_ERROR_RATIO + window, SYSTEMS)} @ end()"
    ratio = f"(1 - ({queries.failure_ratio(window)}))\nand {ON_SYSTEM}"
    allowed = f"{ON_SYSTEM} (1 - {OBJECTIVE} @ end())"
    return number(
        f"Success ratio ({window})",
        f"Successes / (successes + failures) in {window}; neutral ends do not count. Green: the objective "
        "is met. Red: it is missed.",
        Query(f"{ratio} ({last} <= {allowed})", "{{system}}"),
        Query(f"{ratio} ({last} > {allowed})", "{{system}}"),
        sparkline=True,
        empty=f"No session that counts ended in the last {window}.",
        overrides=MET_OR_MISSED,
        **percent(2),
    )


def budget_remaining() -> Panel:
    """Orange below a quarter, red when nothing is left."""
    return number(
        f"Error budget remaining ({PERIOD})",
        f"Remaining share of the failures that the objective allows in {PERIOD}. 100 %: unused. Below 0: "
        "the objective is missed. Covers only the samples that Prometheus keeps.",
        Query(queries.BUDGET_LEFT, "{{system}}", instant=True),
        steps=((None, style.BAD), (0, style.WARNING), (0.25, style.GOOD)),
        **percent(1),
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
    failures = queries.total(names.SYSTEM, queries.matching(count, queries.FAILURE))
    ends = queries.total(names.SYSTEM, queries.matching(count, queries.NO_NEUTRAL))
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
