"""SessionEndElevated is silent after a burst and after an outage.

300 ends per hour, expected share 0.001 of 4001. Six hours of normal traffic come first:
threshold6h = 2.5 + 3.6 + 5.4 + 7.2 = 18.7, threshold1d = 2.5 + 2.7 + 5.4 + 3.6 = 14.2,
and 25.6 in twelve hours.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter import names
from tests.rules.code_cases import ELEVATED, ELEVATED_RULES, NO_WORKERS, history
from tests.rules.rule_test import check_guard, without

COUNT = names.RULE_COUNT
QUIET = 360
WORST = f"max_over_time({COUNT}90s[21511s])"
"""The maximum of ends in 90 seconds within six hours."""
AND = "\n              and "
BURST_6H = f"{AND}{WORST} < 0.4 * {COUNT}6h"
BURST_1D = f"{AND}{COUNT}6h - {WORST} > 0.15 * {COUNT}1d"
RULES = replace(ELEVATED_RULES, step=0.5)
BURST = ((1, 40), (120, 0))
OUTAGE_AND_ONE_END = ((20, 2), (180, 0), (1, 1), (100, 0))
"""One end three hours after an outage of 20 minutes."""
OUTAGE_OF_YESTERDAY = ((20, 2), (400, 0), *[(1, 1), (9, 0)] * 3, (60, 0))
"""Three ends in half an hour; six hours no longer contain the outage."""


@pytest.mark.parametrize(
    ("parts", "first", "last", "clause"),
    [
        (BURST, 0, 120, BURST_6H),
        (BURST, 0, 120, BURST_1D),
        (OUTAGE_AND_ONE_END, 150, 300, f" > 0.1 * {COUNT}6h"),
        (OUTAGE_AND_ONE_END, 150, 300, f"{AND}{COUNT}1h > 0.025 * {COUNT}1d"),
        (OUTAGE_OF_YESTERDAY, 150, 500, BURST_1D),
    ],
    ids=["burst 6h", "burst 1d", "one end 6h", "one end 1d", "yesterday"],
)
def test_elevated_is_silent_after_trouble_because_of_each_clause(
    tmp_path: Path, parts: tuple[tuple[float, float], ...], first: int, last: int, clause: str
) -> None:
    case = history([NO_WORKERS], 100, (QUIET, 0), *parts, normal=5)
    span = (QUIET + first, QUIET + last)
    check_guard(tmp_path, RULES, case, ELEVATED, without(clause), span)
