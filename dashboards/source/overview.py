"""Session ends: overview. Ratios, breakdowns, top codes and alerts; the first 22 rows fill a screen."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import objective, panels
from dashboards.source.alert_list import alert_list
from dashboards.source.breakdown import breakdowns, by_label, by_outcome, thresholds_by_code
from dashboards.source.empty import NO_RULES
from dashboards.source.layout import Head, Section, Strip, assembled
from dashboards.source.panels import About, Query
from dashboards.source.queries import (
    ALERTS,
    FIRING,
    KEYS,
    PERIOD,
    SHIPPED,
    SYSTEMS,
    SYSTEMS_OR_NONE,
    budget_left,
    ends,
    recorded_failure_ratio,
    selector,
)
from dashboards.source.style import (
    BUDGET_LEFT,
    GOOD,
    PLAIN,
    SEVERITIES,
    above,
    by_name,
    thresholds,
)
from dashboards.source.top_codes import top_codes
from dashboards.source.variables import label, system
from exporter import names

WINDOW: Final = "1h"


def dashboard() -> models.Dashboard:
    """For a wall screen and for a first look in the morning."""
    head = Head(
        uid="session-ends",
        title="Session ends: overview",
        description="Are sessions ending well? If not: where, with which codes, and what is the fix?",
        range="now-6h",
        refresh="30s",
    )
    numbers = [
        (6, _success_ratio()),
        (6, _budget_left()),
        (4, _spiking()),
        (4, _alerts()),
        (4, _ends()),
    ]
    first = (
        Strip(4, numbers),
        Strip(8, [(12, by_outcome()), *((4, panel) for panel in breakdowns())]),
        Strip(10, [(16, top_codes()), (8, alert_list(SYSTEMS_OR_NONE))]),
    )
    sections = (
        Section("", first),
        Section("Codes against their thresholds", [Strip(20, [(24, thresholds_by_code())])]),
        Section("By a configured label", [Strip(8, [(24, by_label())])], folded=True),
    )
    pages = f'{names.SEVERITY}="page"'
    return assembled(head, sections, [system(), label()], [pages, SYSTEMS_OR_NONE], builds=True)


def _success_ratio() -> models.Panel:
    about = About(
        title=f"Success ratio ({WINDOW})",
        description=f"Successes among successes and failures of the last {WINDOW}; neutral ends do not "
        "count. Green while a system meets its objective, red below it.",
        empty=f"No session that counts ended in the last {WINDOW}.",
        unit="percentunit",
        decimals=2,
    )
    ratio = f"1 - ({recorded_failure_ratio(WINDOW)})"
    queries = objective.met_and_missed_at_end(ratio, WINDOW)
    return panels.number(about, queries, PLAIN, objective.colors(), sparkline=True)


def _budget_left() -> models.Panel:
    about = About(
        title=f"Error budget remaining ({PERIOD})",
        description=f"Remaining part of the failures that the objective allows in {PERIOD}. 100 % is an "
        "untouched budget; below 0 the objective is missed. Limited to the samples that Prometheus "
        "keeps.",
        empty=NO_RULES,
        unit="percentunit",
        decimals=1,
    )
    return panels.number(about, [Query(budget_left(), "{{system}}", now=True)], BUDGET_LEFT)


def _spiking() -> models.Panel:
    about = About(
        title="Codes spiking",
        description="Codes whose spike alert fires. Normal is 0. The alert list below names them.",
        empty=NO_RULES,
        decimals=0,
    )
    spikes = selector(ALERTS, FIRING, 'alertname="SessionEndSpike"', SYSTEMS)
    # 0 only where codes have a baseline that they can be above.
    known = selector(names.RULE_SHARE, SYSTEMS)
    query = f"count(group by ({KEYS}) ({spikes})) or 0 * count({known})"
    return panels.number(about, [Query(query, "codes")], above(1), sparkline=True)


def _alerts() -> models.Panel:
    about = About(
        title="Alerts firing",
        description="Pages notify on-call, tickets wait for office hours. Normal is 0 of both.",
        empty="No data: Prometheus does not answer.",
        decimals=0,
    )

    def firing(severity: str) -> str:
        matcher = f'{names.SEVERITY}="{severity}"'
        return f"count({selector(ALERTS, FIRING, SHIPPED, matcher, SYSTEMS_OR_NONE)}) or vector(0)"

    return panels.number(
        about,
        [Query(firing(severity), severity, now=True) for severity in SEVERITIES],
        above(1),
        [
            by_name(severity, {"thresholds": thresholds(((None, GOOD), (1, color))).to_json()})
            for severity, color in SEVERITIES.items()
        ],
    )


def _ends() -> models.Panel:
    about = About(
        title=f"Sessions ended ({WINDOW})",
        description=f"All ends of the last {WINDOW} with any outcome: the base of all other numbers.",
        empty=NO_RULES,
        decimals=0,
    )
    return panels.number(about, [Query(ends(WINDOW), "{{system}}")], PLAIN, sparkline=True)
