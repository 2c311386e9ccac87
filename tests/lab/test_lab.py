"""The short lab: the shipped rules keep their recorded figures, and worse ones are noticed."""

from pathlib import Path

import pytest

from tests.lab.changed import BURSTS_COUNT, Edits, changed
from tests.lab.recorded import short, worse
from tests.lab.runs import KEPT, OURS, campaign

THRESHOLD = r"> (system_code:session_ends:threshold(%s))(?=\n)"


def test_recall_false_pages_and_detection_are_no_worse_than_recorded() -> None:
    assert worse(short()) == []


@pytest.mark.parametrize(
    ("edits", "named"),
    [
        ([(THRESHOLD % "5m|15m|1h", r"> 2 * \1")], "found"),
        (BURSTS_COUNT, "false_pages"),
    ],
    ids=["doubled", "bursts count"],
)
def test_worse_rules_are_noticed(tmp_path: Path, edits: Edits, named: str) -> None:
    found = worse(short(changed(tmp_path, edits)))
    assert any(f": {named} " in line for line in found), found


def test_a_budget_that_is_kept_is_not_told_of_again_and_again(tmp_path: Path) -> None:
    """A ticket for most of the 20 incidents at the most, and not one each time that the last pair of windows
    goes on and off by chance after them: 28 a month with the usual fifteen minutes."""

    def tickets(rules: Path | None) -> int:
        return campaign((10_000,), (1,), rules=rules, failing=KEPT)[OURS, 10_000].budgets

    brief = changed(tmp_path, [("keep_firing_for: 1d", "keep_firing_for: 15m")])
    most = 2 * 8
    assert 0 < tickets(None) <= most < tickets(brief)
