"""The codes and owners whose failures used the error budget of the period."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import About, Query, merged
from dashboards.source.queries import (
    FAILURE,
    KEYS,
    MANY_TO_SYSTEM,
    NO_NEUTRAL,
    PERIOD,
    SYSTEMS,
    burn,
    selector,
    titled,
    total,
    with_words,
)
from dashboards.source.style import BAD, HIDDEN, TEXT, by_name, colored
from exporter import names

MOST: Final = 15
STEP: Final = "1h"
"""Hours, because a table of a month in steps of 5 minutes takes too long."""
EMPTY: Final = f"No failure in {PERIOD}, or the recording rules are not loaded."


def _counts() -> str:
    return f"sum_over_time({selector(names.RULE_COUNT + STEP, SYSTEMS)}[{PERIOD}:{STEP}])"


def _used() -> str:
    """Failures of each code as a part of all failures that the objective allows to its system."""
    record = selector(names.RULE_COUNT_BY_OUTCOME + STEP, SYSTEMS, NO_NEUTRAL)
    ends = total(names.SYSTEM, f"sum_over_time({record}[{PERIOD}:{STEP}])")
    return burn(f"{_counts()}\n/ {MANY_TO_SYSTEM} ({ends} > 0)", MANY_TO_SYSTEM)


def budget_by_code() -> models.Panel:
    """Failures and used part of the budget, by code."""
    about = About(
        title=f"Budget used by code ({PERIOD})",
        description=f"Failures of {PERIOD} up to the last full hour, and their part of the failures that "
        "the objective allows. The parts of a system add up to its used budget. A code links to its "
        "dashboard.",
        empty=EMPTY,
    )
    largest = f"topk({MOST}, {with_words(_used(), (names.NAME, names.OWNER), FAILURE)})"
    return panels.rows(
        about,
        [
            Query(titled(largest), rows=True),
            Query(f"{_counts()}\nand on ({KEYS}) {largest}", rows=True),
        ],
        merged(
            {
                names.SYSTEM: "System",
                "title": "Code",
                names.OWNER: "Owner",
                "Value #B": "Failures",
                "Value #A": "Of the budget",
            },
            names.NAME,
        ),
        [
            by_name("System", {"custom.width": 120}),
            by_name("Code", {**TEXT, "links": [to_code("System"), to_code_runbook("System")]}),
            by_name("Owner", {"custom.width": 150}),
            by_name("Failures", {"decimals": 0, "custom.width": 90}),
            by_name(
                "Of the budget",
                {
                    "unit": "percentunit",
                    "decimals": 1,
                    "min": 0,
                    "max": 1,
                    "custom.cellOptions": {"type": "gauge", "mode": "basic"},
                    **colored(BAD),
                },
            ),
            by_name(names.CODE, {**HIDDEN, **TEXT}),
        ],
        sort="Of the budget",
    )


def budget_by_owner() -> models.Panel:
    """The same failures by owner."""
    about = About(
        title=f"Failures by owner ({PERIOD})",
        description=f"Failures of {PERIOD} up to the last full hour, by the owner of the code, the most "
        "first.",
        empty=EMPTY,
        decimals=0,
    )
    owners = total(names.OWNER, with_words(_counts(), (names.OWNER,), FAILURE))
    return panels.bars(about, [Query(f"sort_desc({owners})", "{{owner}}", now=True)], BAD)
