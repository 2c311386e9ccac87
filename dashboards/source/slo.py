"""Session ends: SLO. Burn rate, remaining error budget, and the codes that used it."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import objective, panels
from dashboards.source.budget_by_code import budget_by_code, budget_by_owner
from dashboards.source.empty import NO_RULES
from dashboards.source.layout import Head, Section, Strip, assembled
from dashboards.source.panels import About, Query
from dashboards.source.queries import (
    FAILURE,
    NO_NEUTRAL,
    PERIOD,
    SYSTEMS,
    budget_left,
    burn,
    only,
    period_failure_ratio,
    recorded_failure_ratio,
    selector,
    total,
)
from dashboards.source.queries import objective as objectives
from dashboards.source.style import (
    BUDGET_LEFT,
    DASHED,
    PLAIN,
    WARNING,
    above,
    by_query,
    by_regexp,
    reference,
)
from dashboards.source.variables import system
from exporter import names

BURN_RATES: Final = (("1h", "5m", 14.4), ("6h", "30m", 6), ("3d", "6h", 1))
"""Long window, short window and factor of the alert SessionEndBudgetBurn."""
FASTEST: Final = BURN_RATES[0]
DAY: Final = "1d"


def dashboard() -> models.Dashboard:
    """For the weekly review."""
    head = Head(
        uid="session-ends-slo",
        title="Session ends: SLO",
        description=f"Is the objective met over {PERIOD}, how fast is the error budget used, and by which "
        "codes?",
        range="now-7d",
        refresh="5m",
    )
    strips = (
        Strip(4, [(8, _success_ratio()), (8, _left()), (8, _burn_rate())]),
        Strip(8, [(8, _burn_rates(*pair)) for pair in BURN_RATES]),
        Strip(9, [(12, _left_over_time()), (12, _daily())]),
        Strip(11, [(16, budget_by_code()), (8, budget_by_owner())]),
    )
    alerts = ['signal="budget"', SYSTEMS]
    return assembled(head, [Section("", strips)], [system()], alerts)


def _success_ratio() -> models.Panel:
    about = About(
        title=f"Success ratio ({PERIOD})",
        description=f"Successes among successes and failures over {PERIOD}, beside the objective. Limited "
        "to the samples that Prometheus keeps. Green while a system meets its objective, red below it.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=3,
    )
    queries = [
        *objective.met_and_missed(f"1 - {period_failure_ratio()}"),
        Query(objectives(), "{{system}} objective", now=True),
    ]
    return panels.number(about, queries, PLAIN, objective.colors())


def _left() -> models.Panel:
    about = About(
        title=f"Error budget remaining ({PERIOD})",
        description="Remaining part of the failures that the objective allows. 100 % is an untouched "
        "budget; below 0 the objective is missed.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    return panels.number(about, [Query(budget_left(), "{{system}}", now=True)], BUDGET_LEFT)


def _burn_rate() -> models.Panel:
    long, _, factor = FASTEST
    about = About(
        title=f"Burn rate ({long})",
        description=f"At a burn rate of 1 the budget lasts exactly {PERIOD}. Above {factor:g} a ticket is "
        "opened. Normal is below 1.",
        empty=f"No session that counts ended in the last {long}.",
        decimals=1,
    )
    return panels.number(about, [_rate(long)], above(factor, warning=1), sparkline=True)


def _rate(window: str) -> Query:
    return Query(burn(recorded_failure_ratio(window)), f"{{{{system}}}} {window}")


def _burn_rates(long: str, short: str, factor: float) -> models.Panel:
    about = About(
        title=f"Burn rate ({long} and {short})",
        description=f"A ticket is opened while both windows are above the dashed line at {factor:g} and "
        f"{long} has more than a few failures. The short window (dashed) shows whether the burn still "
        "goes on. Normal is below 1.",
        empty=f"No session that counts ended in the last {short}.",
        decimals=1,
    )
    return panels.graph(
        about, [_rate(long), _rate(short)], [by_regexp(f" {short}$", DASHED)], line_at=factor
    )


def _left_over_time() -> models.Panel:
    about = About(
        title=f"Error budget over time ({PERIOD})",
        description=f"At each time, the budget over the {PERIOD} before it. A fall is an incident, a rise "
        "is an incident that left the period, a steady slope is a code that always fails.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    return panels.graph(about, [Query(budget_left(), "{{system}}")], line_at=0, low=None, top=1)


def _daily() -> models.Panel:
    about = About(
        title=f"Failure ratio ({DAY})",
        description=f"Failures among successes and failures of the {DAY} before each time. The dashed "
        "line is the ratio that the objective allows on average.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=2,
    )

    def ends_of(matcher: str) -> str:
        return total(names.SYSTEM, only(selector(names.RULE_COUNT + DAY, SYSTEMS), matcher))

    return panels.graph(
        about,
        [
            Query(f"{ends_of(FAILURE)} / ({ends_of(NO_NEUTRAL)} > 0)", "{{system}}"),
            Query(f"1 - {objectives()}", "{{system}} allowed"),
        ],
        [by_query("B", reference(WARNING))],
    )
