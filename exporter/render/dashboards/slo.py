"""Session ends: SLO. How fast the error budget burns, what is left of it, and which codes ate it."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.policy.model import BurnRate, Policy
from exporter.render.alerts import SIGNAL
from exporter.render.catalog import Signal
from exporter.render.dashboards import panels
from exporter.render.dashboards.board import Head, Section, Strip, board, runbooks
from exporter.render.dashboards.eaten import by_owner, eaten
from exporter.render.dashboards.empty import NO_RULES
from exporter.render.dashboards.looks import (
    BUDGET_LEFT,
    above,
    by_regexp,
    from_objective,
    line,
    own_objectives,
    percent,
)
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import (
    FAILURE,
    SYSTEMS,
    budget_left,
    burn,
    error_ratio,
    of,
    recorded_error_ratio,
    summed,
)
from exporter.render.dashboards.variables import system
from exporter.render.pack import Pack
from exporter.render.promql import number
from exporter.taxonomy.model import Outcome

UID: Final = "session-ends-slo"


def dashboard(pack: Pack) -> models.Dashboard:
    """For the week's review."""
    budget = pack.policy.budget
    head = Head(
        UID,
        "Session ends: SLO",
        f"Is the objective of {percent(budget.objective)} over {budget.period} kept, how fast does the error "
        "budget burn, and which codes ate it?",
        "now-7d",
        "5m",
    )
    windows = budget.windows
    sections = (
        Section(
            "",
            (
                Strip(
                    4, [(8, _ratio(pack.policy)), (8, _left(pack.policy)), (8, _fast(pack.policy))]
                ),
                Strip(8, [(24 // len(windows), _burn(pack.policy, one)) for one in windows]),
                Strip(9, [(12, _left_over_time(pack.policy)), (12, _daily(pack.policy))]),
                Strip(11, [(16, eaten(pack)), (8, by_owner(pack))]),
            ),
        ),
    )
    ticket = f'{SIGNAL}="{Signal.BUDGET}"'
    return board(head, sections, [system()], [runbooks(pack)], [ticket, SYSTEMS])


def _ratio(policy: Policy) -> models.Panel:
    period = policy.budget.period
    about = About(
        title=f"Is the objective kept? Success ratio, {period}",
        reading=f"Successes among successes and failures over {period}, as far back as Prometheus keeps "
        f"its samples. Green at {percent(policy.budget.objective)} or better.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=3,
    )
    return panels.number(
        about,
        [Query(f"1 - {error_ratio(policy)}", "{{system}}", now=True)],
        from_objective(policy.budget.objective),
        own_objectives(policy.budget),
    )


def _left(policy: Policy) -> models.Panel:
    about = About(
        title=f"Error budget left, {policy.budget.period}",
        reading="What is left of the failures that the objective allows: 100 % is untouched, below 0 "
        "the objective is missed.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    left = Query(budget_left(policy), "{{system}}", now=True)
    return panels.number(about, [left], BUDGET_LEFT)


def _fast(policy: Policy) -> models.Panel:
    first = policy.budget.windows[0]
    about = About(
        title=f"How fast does it burn now? Burn rate, {first.long}",
        reading=f"1 spends the budget in exactly {policy.budget.period}; the ticket comes above "
        f"{number(first.factor)}. Normal is below 1.",
        empty=f"No session that counts ended in the last {first.long}.",
        decimals=1,
    )
    return panels.number(
        about, [_rate(policy, first.long)], above(first.factor, warning=1), sparkline=True
    )


def _rate(policy: Policy, window: str) -> Query:
    return Query(burn(policy, recorded_error_ratio(window)), f"{{{{system}}}} {window}")


def _burn(policy: Policy, pair: BurnRate) -> models.Panel:
    about = About(
        title=f"Burn rate, {pair.long} and {pair.short}: ticket above {number(pair.factor)}",
        reading=f"The budget ticket needs both windows above the dashed line and more than "
        f"{number(policy.budget.failures)} failures in {pair.long}. The long window says that it matters, "
        "the short one (dashed) that it still goes on. Normal is below 1.",
        empty=f"No session that counts ended in the last {pair.short}.",
        decimals=1,
    )
    short = {"custom.lineStyle": line("")["custom.lineStyle"], "custom.fillOpacity": 0}
    return panels.graph(
        about,
        [_rate(policy, pair.long), _rate(policy, pair.short)],
        [by_regexp(f" {pair.short}$", short)],
        line_at=pair.factor,
    )


def _left_over_time(policy: Policy) -> models.Panel:
    about = About(
        title=f"When did it go? Error budget left, {policy.budget.period}",
        reading=f"At each instant, over the {policy.budget.period} before it. A fall is an incident, a "
        "rise is one that left the period; a steady slope is a code that fails all the time.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    left = Query(budget_left(policy), "{{system}}")
    return panels.graph(about, [left], line_at=0, low=None, top=1)


def _daily(policy: Policy) -> models.Panel:
    day = policy.baseline.window
    about = About(
        title=f"Which days were bad? Failures of what counts, {day}",
        reading=f"Failures among successes and failures of the {day} before each instant. The dashed "
        "line is what the objective allows on average.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=2,
    )
    count = names.RULE_COUNT + day
    no_neutral = f'{names.OUTCOME}!="{Outcome.NEUTRAL.value}"'
    failed = summed(names.SYSTEM, of(count, SYSTEMS, FAILURE))
    every = summed(names.SYSTEM, of(count, SYSTEMS, no_neutral))
    return panels.graph(
        about,
        [Query(f"{failed} / ({every} > 0)", "{{system}}")],
        line_at=round(1 - policy.budget.objective, 9),
    )
