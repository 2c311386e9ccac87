"""SessionEndElevated is silent after a burst and after an outage.

300 ends per hour, expected share 0.001 of 4001. Six hours of normal traffic come first:
threshold6h = 2.5 + 3.6 + 5.4 + 7.2 = 18.7, threshold1d = 2.5 + 2.7 + 5.4 + 3.6 = 14.2,
and 25.6 in twelve hours.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rules.code_cases import ELEVATED, ELEVATED_RULES, NO_WORKERS, history

QUIET = 360
RULES = replace(ELEVATED_RULES, step=0.5)


@pytest.mark.parametrize(
    ("parts", "first", "last"),
    [
        # Fails without the comparison of 6h, or of 1d, with its worst 90 seconds.
        (((1, 40), (120, 0)), 0, 120),
        # One end three hours after an outage of 20 minutes. Fails without either condition of ongoing ends:
        # 1h > 0.1 * 6h, and 1h > 0.025 * 1d.
        (((20, 2), (180, 0), (1, 1), (100, 0)), 150, 300),
        # Three ends in half an hour; six hours no longer contain the outage. Fails as the first, for 1d.
        (((20, 2), (400, 0), *[(1, 1), (9, 0)] * 3, (60, 0)), 150, 500),
    ],
    ids=["burst", "one end after an outage", "day after an outage"],
)
def test_elevated_is_silent_after_trouble(
    tmp_path: Path, parts: tuple[tuple[float, float], ...], first: int, last: int
) -> None:
    case = history([NO_WORKERS], 100, (QUIET, 0), *parts, normal=5)
    case.fires_between(QUIET + first, QUIET + last, ELEVATED, False)
    RULES.check(tmp_path, case)
