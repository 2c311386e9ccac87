"""Session ends: overview. Is it bad, where, which code, what to do; the first 22 rows fill a screen."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.alerts import SEVERITY
from exporter.render.catalog import PAGE
from exporter.render.dashboards import panels
from exporter.render.dashboards.board import Head, Section, Strip, board, runbooks
from exporter.render.dashboards.empty import NO_RULES
from exporter.render.dashboards.firing import SEVERITIES, firing
from exporter.render.dashboards.looks import (
    BUDGET_LEFT,
    PLAIN,
    above,
    by_name,
    from_objective,
    own_objectives,
    percent,
    thresholds,
)
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import (
    ALERTS,
    FIRING,
    OF_THE_PACK,
    SYSTEMS,
    SYSTEMS_OR_NONE,
    budget_left,
    of,
    recorded_error_ratio,
)
from exporter.render.dashboards.top import top_codes
from exporter.render.dashboards.variables import label, system
from exporter.render.dashboards.where import by_label, every_limit, places, since_when
from exporter.render.pack import Pack
from exporter.render.promql import quoted

UID: Final = "session-ends"


def dashboard(pack: Pack) -> models.Dashboard:
    """For the wall and the morning look."""
    head = Head(
        UID,
        "Session ends: overview",
        "Are sessions ending well, and if not: where, with which codes, and what is to be done?",
        "now-6h",
        "30s",
    )
    first = (
        Strip(
            4,
            [
                (6, _ratio(pack)),
                (6, _budget(pack)),
                (4, _above(pack)),
                (4, _alerts()),
                (4, _all(pack)),
            ],
        ),
        Strip(8, [(12, since_when(pack)), *((4, panel) for panel in places(pack))]),
        Strip(10, [(16, top_codes(pack)), (8, firing(pack, SYSTEMS_OR_NONE))]),
    )
    sections = (
        Section("", first),
        Section("Every code against its limit", [Strip(20, [(24, every_limit(pack))])]),
        Section("By a label of your own", [Strip(8, [(24, by_label())])], folded=True),
    )
    page = f"{SEVERITY}={quoted(PAGE)}"
    chosen = [system(), label()]
    alerts = [page, SYSTEMS_OR_NONE]
    return board(head, sections, chosen, [runbooks(pack)], alerts, builds=True)


def _ratio(pack: Pack) -> models.Panel:
    budget = pack.policy.budget
    window = budget.windows[0].long
    about = About(
        title=f"Do sessions end well? Success ratio, {window}, of {percent(budget.objective)}",
        reading=f"Successes among successes and failures in the last {window}; neutral ends don't "
        f"count. Green at the objective of {percent(budget.objective)} or better{_exceptions(pack)}.",
        empty=f"No session that counts ended in the last {window}.",
        unit="percentunit",
        decimals=2,
    )
    return panels.number(
        about,
        [Query(f"1 - ({recorded_error_ratio(window)})", "{{system}}")],
        from_objective(budget.objective),
        own_objectives(budget),
        sparkline=True,
    )


def _exceptions(pack: Pack) -> str:
    return "".join(
        f", for {one.system} {percent(float(one.objective))}"
        for one in pack.policy.budget.objectives
    )


def _budget(pack: Pack) -> models.Panel:
    period = pack.policy.budget.period
    about = About(
        title=f"Is the objective kept? Error budget left, {period}",
        reading=f"What is left of the failures that the objective allows in {period}: 100 % is "
        "untouched, below 0 the objective is missed. As far back as Prometheus keeps its samples.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    left = Query(budget_left(pack.policy), "{{system}}", now=True)
    return panels.number(about, [left], BUDGET_LEFT)


def _above(pack: Pack) -> models.Panel:
    known = of(names.RULE_SHARE, SYSTEMS)
    about = About(
        title="How many codes spike?",
        reading="Codes above their limit now, confirmed by their share of all ends. Normal is 0; "
        "the table below names them.",
        empty=NO_RULES,
        decimals=0,
    )
    # 0 only when there are codes with a baseline to be above of.
    query = f"count({of(names.RULE_SPIKE, SYSTEMS)}) or 0 * count({known})"
    return panels.number(about, [Query(query, "codes")], above(1), sparkline=True)


def _alerts() -> models.Panel:
    about = About(
        title="Was somebody called? Alerts firing",
        reading="Pages woke somebody, tickets wait for office hours. Normal is 0 of both.",
        empty="No data: Prometheus does not answer.",
        decimals=0,
    )

    def firing_of(severity: str) -> str:
        matcher = f"{SEVERITY}={quoted(severity)}"
        return f"count({of(ALERTS, FIRING, OF_THE_PACK, matcher, SYSTEMS_OR_NONE)}) or vector(0)"

    return panels.number(
        about,
        [Query(firing_of(severity), severity, now=True) for severity in SEVERITIES],
        above(1),
        [
            by_name(
                severity,
                {"thresholds": thresholds(((None, "green"), (1, colour))).to_json()},
            )
            for severity, colour in SEVERITIES.items()
        ],
    )


def _all(pack: Pack) -> models.Panel:
    window = pack.policy.limit.windows[-1].window
    about = About(
        title=f"How much traffic? Ends, {window}",
        reading=f"All ends of the last {window}, whatever their outcome: what the other numbers stand on.",
        empty=NO_RULES,
        decimals=0,
    )
    ends = of(names.RULE_ENDS + window, SYSTEMS)
    return panels.number(about, [Query(ends, "{{system}}")], PLAIN, sparkline=True)
