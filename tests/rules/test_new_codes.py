"""What is forgotten is new again: a week at full length, which the cases of every code do not have."""

from pathlib import Path

import pytest

from tests.rules import code_cases
from tests.rules.promtool import (
    CODES,
    LONG_GROUP,
    SESSION_ENDS,
    SNAPSHOTS_GROUP,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    counted,
    ends,
)

SUCCESS, OUTAGE = CODES["streampixel", "1000"], CODES["streampixel", "4001"]
ALERT = code_cases.ALERTS["new"]


def case_of(known: dict[int, int], hours: int) -> Case:
    """Four values an hour; `known` has how many of 4001 there are in an hour."""
    steps = [part for hour in range(hours) for part in (known.get(hour, 0), 0, 0, 0)]
    return Case("15m", {ends(SUCCESS): counted([10.0] * len(steps)), ends(OUTAGE): counted(steps)})


@pytest.mark.parametrize(("again", "new"), [(168, False), (172, True)])
def test_a_code_is_new_again_when_a_week_has_passed_since_its_last(
    tmp_path: Path, again: int, new: bool
) -> None:
    """Last in the third hour, and so in a day's count until the 27th; six days later nothing has it."""
    case = case_of({2: 1, again: 3}, again + 2)
    found = f'count(ALERTS{{alertname="{ALERT}", alertstate="firing"}})'
    case.query(f"{60 * again + 30}m", found, {"{}": 1} if new else {})
    only = (WORDS_GROUP, WINDOWS_GROUP, LONG_GROUP, SNAPSHOTS_GROUP)
    run = Run((SESSION_ENDS,), (case,), only, code_cases.NEW_READS, "15m")
    assert run.verdict(tmp_path) == ""
