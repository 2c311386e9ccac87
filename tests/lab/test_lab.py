"""The short lab: the shipped rules keep their recorded figures, and worse rules are detected."""

import re
from pathlib import Path

import pytest

from exporter.rule_files import folder
from tests.lab.cases import BUDGET_KEPT
from tests.lab.recorded import short, worse
from tests.lab.runs import cases


def changed(target: Path, pattern: str, replacement: str) -> Path:
    """Writes the shipped rules with a replacement in session-ends.yml to the folder, and returns it."""
    for path in folder().glob("*.yml"):
        text = path.read_text()
        if path.name == "session-ends.yml":
            text, count = re.subn(pattern, replacement, text)
            assert count, f"{pattern}: not in {path}"
        (target / path.name).write_text(text)
    return target


def test_shipped_rules_are_not_worse_than_recorded() -> None:
    assert worse(short()) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "figure"),
    [
        (r"> (system_code:session_ends:threshold(5m|15m|1h))(?=\n)", r"> 2 * \1", "found"),
        (
            r"- max_over_time\(system_code:session_ends:increase90s\[(211|811|3511)s\]\)",
            "+ 1e9",
            "false_pages",
        ),
    ],
    ids=["doubled thresholds", "no burst exclusion"],
)
def test_worse_rules_are_detected(
    tmp_path: Path, pattern: str, replacement: str, figure: str
) -> None:
    lines = worse(short(changed(tmp_path, pattern, replacement), volumes=(100,), names=()))
    assert any(f": {figure} " in line for line in lines), lines


def test_kept_budget_opens_few_tickets(tmp_path: Path) -> None:
    """Fails when random variation reopens a ticket: two systems, each 28 with 15 min of `keep_firing_for`."""

    def tickets(rules: Path | None) -> int:
        (score,) = cases((BUDGET_KEPT,), (1,), rules=rules, volumes=(10_000,)).values()
        return score.budgets

    brief = changed(tmp_path, "keep_firing_for: 1d", "keep_firing_for: 15m")
    assert 0 < tickets(None) <= 2 * 8 < tickets(brief)
