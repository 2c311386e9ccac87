"""The codes and owners whose failures used the error budget of the period."""

from typing import Final

from dashboards.source import queries
from dashboards.source.breakdown import failures_by
from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import MERGED, Columns, Panel, table
from dashboards.source.queries import KEYS, MANY_TO_SYSTEM, PERIOD, SYSTEMS, rows, selector
from dashboards.source.style import BAD, HIDDEN_CODE, TEXT, colored
from exporter import names

MOST: Final = 15
STEP: Final = "1h"
"""Hours, because a table of a month in steps of 5 minutes takes too long."""
EMPTY: Final = f"No failure in {PERIOD}, or the recording rules are not loaded."
COUNTS: Final = f"sum_over_time({selector(names.RULE_COUNT + STEP, SYSTEMS)}[{PERIOD}:{STEP}])"
COLUMNS: Final[Columns] = {
    names.SYSTEM: ("System", {"custom.width": 120}),
    "title": ("Code", {**TEXT, "links": [to_code("System"), to_code_runbook("System")]}),
    names.OWNER: ("Owner", {"custom.width": 150}),
    "Value #B": ("Failures", {"decimals": 0, "custom.width": 90}),
    "Value #A": (
        "Share of budget",
        {
            "unit": "percentunit",
            "decimals": 1,
            "min": 0,
            "max": 1,
            "custom.cellOptions": {"type": "gauge", "mode": "basic"},
            **colored(BAD),
        },
    ),
}


def budget_by_code() -> Panel:
    """Failures and used part of the budget, by code."""
    ends = queries.over_period(STEP, queries.NO_NEUTRAL)
    used = queries.burn_rate(f"{COUNTS}\n/ {MANY_TO_SYSTEM} ({ends} > 0)", MANY_TO_SYSTEM)
    by_code = queries.with_info(used, (names.NAME, names.OWNER), queries.FAILURE)
    largest = f"topk({MOST}, {by_code})"
    return table(
        f"Budget used by code ({PERIOD})",
        f"Failures of {PERIOD} up to the last full hour, and their share of the failures that the objective "
        "allows. The shares of a system add up to its used budget. A code links to its dashboard.",
        rows(queries.with_title(largest)),
        rows(f"{COUNTS}\nand on ({KEYS}) {largest}"),
        columns=COLUMNS,
        transformations=MERGED,
        dropped=[names.NAME],
        hidden=[HIDDEN_CODE],
        sort="Share of budget",
        empty=EMPTY,
    )


def budget_by_owner() -> Panel:
    """The same failures by owner."""
    return failures_by(names.OWNER, PERIOD, COUNTS, EMPTY)
