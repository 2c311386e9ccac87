"""Which codes, and whose, ate the error budget of the period."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.policy.model import Policy
from exporter.render.dashboards import panels
from exporter.render.dashboards.firing import link, to_code, to_runbook
from exporter.render.dashboards.looks import AS_WRITTEN, BAD, HIDDEN, by_name
from exporter.render.dashboards.panels import About, Query, merged
from exporter.render.dashboards.queries import (
    FAILURE,
    KEYS,
    SYSTEMS,
    burn,
    of,
    summed,
    titled,
    with_meaning,
)
from exporter.render.pack import Pack
from exporter.render.promql import PER_SYSTEM

MOST: Final = 15


def _failures(policy: Policy) -> str:
    """By code, summed in steps of the fastest burn rate's window: an hour, and a month of them is 720."""
    step, period = policy.budget.windows[0].long, policy.budget.period
    count = of(names.RULE_COUNT + step, SYSTEMS, FAILURE)
    return summed(KEYS, f"sum_over_time({count}[{period}:{step}])")


def _part(policy: Policy) -> str:
    """What each code's failures are of all failures that the objective allows of its system."""
    step, period = policy.budget.windows[0].long, policy.budget.period
    counted = f"sum_over_time({of(names.RULE_COUNTED + step, SYSTEMS)}[{period}:{step}])"
    return burn(policy, f"{_failures(policy)}\n/ {PER_SYSTEM} ({counted} > 0)")


def eaten(pack: Pack) -> models.Panel:
    """Count and part of the budget by code."""
    period = pack.policy.budget.period
    about = About(
        title=f"Which codes ate the budget? {period}",
        reading=f"Failures of {period} to the last full hour, and how much of what the objective allows "
        "they are; the parts of a system add up to what is gone. A code leads to its dashboard.",
        empty=f"No failure in {period}, or the recording rules are not loaded.",
    )
    largest = f"topk({MOST}, {_part(pack.policy)})"
    named = titled(with_meaning(largest, names.NAME, names.OWNER))
    return panels.rows(
        about,
        [
            Query(named, rows=True),
            Query(f"{_failures(pack.policy)}\nand on ({KEYS}) {largest}", rows=True),
        ],
        merged(
            {
                names.SYSTEM: "System",
                "title": "Code",
                names.OWNER: "Whose job",
                "Value #B": "Failures",
                "Value #A": "Of the budget",
            },
            names.NAME,
        ),
        [
            by_name("System", {"custom.width": 120}),
            by_name(
                "Code",
                {
                    "links": [
                        link("This code", to_code("System", names.CODE)),
                        link("Runbook", to_runbook(pack, "System", names.CODE), away=True),
                    ]
                },
            ),
            by_name("Whose job", {"custom.width": 150}),
            by_name("Failures", {"decimals": 0, "custom.width": 90}),
            by_name(
                "Of the budget",
                {
                    "unit": "percentunit",
                    "decimals": 1,
                    "min": 0,
                    "max": 1,
                    "custom.cellOptions": {"type": "gauge", "mode": "basic"},
                    "color": {"mode": "fixed", "fixedColor": BAD},
                },
            ),
            by_name(names.CODE, {**HIDDEN, **AS_WRITTEN}),
        ],
        sort="Of the budget",
    )


def by_owner(pack: Pack) -> models.Panel:
    """The same failures by who acts on them."""
    period = pack.policy.budget.period
    about = About(
        title=f"Whose job was it? Failures, {period}",
        reading=f"Failures of {period} to the last full hour by who acts on them, the most first.",
        empty=f"No failure in {period}, or the recording rules are not loaded.",
        decimals=0,
    )
    owners = summed(names.OWNER, with_meaning(_failures(pack.policy), names.OWNER))
    return panels.bars(about, [Query(f"sort_desc({owners})", "{{owner}}", now=True)], BAD)
