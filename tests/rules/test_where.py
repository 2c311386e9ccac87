"""The place in the description of a spike: the value of each label with far more than its expected share."""

from pathlib import Path

import pytest

from exporter import names
from exporter.taxonomy.model import Code
from tests.rules.code_cases import NO_WORKERS, SPIKE, SPIKE_RULES, SUCCESS, all_fire, history
from tests.rules.rule_test import Case
from tests.rules.series import counter, scraped

QUIET, OUTAGE = 60, 6
PER_MINUTE = {"region": {"ap": 3.0, "eu": 7.0}, "project": {"shop": 3.0, "office": 7.0}}
"""Successes per minute by label and value."""


def counts(code: Code, label: str, value: str, quiet: float, outage: float) -> tuple[str, str]:
    """The by-label counter of a code, with ends per minute before and in the outage."""
    labels = {"system": code.system, "code": code.code, "outcome": code.outcome.value}
    name = scraped(names.SESSION_ENDS_BY_LABEL, **labels, ledger="a", label=label, value=value)
    return name, counter([quiet / 2] * (2 * QUIET) + [outage / 2] * (2 * OUTAGE))


@pytest.mark.parametrize(
    ("regions", "where"),
    [
        ({"ap": 7.5, "eu": 0.5}, "Where: region ap 94 % (usually 30 %)."),
        ({"ap": 2.4, "eu": 5.6}, "Where: no label stands out."),
        ({"new": 8.0}, "Where: region new 100 % (usually 0 %)."),
    ],
)
def test_description_names_the_place(tmp_path: Path, regions: dict[str, float], where: str) -> None:
    case: Case = history([NO_WORKERS], 20, (QUIET, 0), (OUTAGE, 8))
    for label, values in PER_MINUTE.items():
        for value, rate in values.items():
            name, text = counts(SUCCESS, label, value, rate, rate)
            case.inputs[name] = text
    for label, rates in {"region": regions, "project": {"shop": 2.4, "office": 5.6}}.items():
        for value, rate in rates.items():
            name, text = counts(NO_WORKERS, label, value, 0, rate)
            if value == "new":
                # Not scraped before the outage.
                text = f"_x{2 * QUIET} {counter([rate / 2] * (2 * OUTAGE))}"
            case.inputs[name] = text
    numbers = "32 in 5 min (expected 0.1), 32% of all session ends."
    all_fire(case, [NO_WORKERS], SPIKE, QUIET + 4, f"{numbers} {where}", "000000032")
    SPIKE_RULES.check(tmp_path, case)
