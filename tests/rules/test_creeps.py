"""A creep is neither a burst nor an outage that is over, however long hours remember both.

Of 300 ends an hour, one in a thousand is usual for 4001, and six hours of them are before each case:
threshold6h = 2.5 + 3.6 + 5.4 + 7.2 = 18.7, threshold1d = 2.5 + 2.7 + 5.4 + 3.6 = 14.2
and in twelve hours 25.6.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import names
from tests.rules import code_cases
from tests.rules.promtool import (
    CODES,
    LONG_GROUP,
    RULES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    counted,
    without,
)

OUTAGE = CODES["streampixel", "4001"]
ALERT = code_cases.ALERTS["elevated"]
COUNT = names.RULE_COUNT
REST = f"{COUNT}6h - max_over_time({COUNT}90s[21511s])"
ORDINARY = 360
GOING_ON = (
    f"\n              and {COUNT}1h > 0.1 * {COUNT}6h",
    f"\n              and {COUNT}1h > 0.025 * {COUNT}1d",
)
LEFT = (
    f"\n              and {REST} > 0.6 * {COUNT}6h",
    f"\n              and {REST} > 0.15 * {COUNT}1d",
)
WINDOW = ["6h", "1d"]


def case_of(*parts: tuple[float, float]) -> Case:
    """Beside the others' ends, which are as ever."""
    codes = [OUTAGE]
    case = code_cases.rates("streampixel", codes, 100, (ORDINARY, 0), *parts, usual=0.001, step=30)
    steps = 2 * (ORDINARY + sum(minutes for minutes, _ in parts))
    case.inputs[code_cases.ends(CODES["streampixel", "1000"])] = counted([2.5] * round(steps))
    return case


def burst() -> Case:
    return case_of((1, 40), (120, 0))


def outage() -> Case:
    """Of 20 minutes, and three hours later a single end."""
    return case_of((20, 2), (180, 0), (1, 1), (100, 0))


def yesterdays() -> Case:
    """An outage that six hours do not hold any more, and then three ends in half an hour."""
    return case_of((20, 2), (400, 0), *[(1, 1), (9, 0)] * 3, (60, 0))


def verdict(
    folder: Path, case: Case, minutes: Sequence[int], fires: bool, rules: Path = RULES
) -> str:
    """Whether there is a ticket at any time between two minutes after the ordinary hours."""
    after, until = minutes
    firing = f'ALERTS{{alertname="{ALERT}", alertstate="firing"}}'
    query = f"count(count_over_time({firing}[{until - after}m]))"
    case.query(f"{ORDINARY + until}m", query, {"{}": 1} if fires else {})
    records = (
        names.RULE_SUM,
        names.RULE_SUM_SNAPSHOT,
        names.RULE_CODE_INFO,
        *(COUNT + window for window in ("90s", "1h", "6h", "1d")),
        *(names.RULE_THRESHOLD + window for window in WINDOW),
    )
    only = (WORDS_GROUP, WINDOWS_GROUP, LONG_GROUP)
    return Run((SESSION_ENDS,), (case,), only, records, "30s").verdict(folder, rules)


def test_a_burst_is_no_creep(tmp_path: Path) -> None:
    assert verdict(tmp_path, burst(), (0, 120), False) == ""


@pytest.mark.parametrize("clause", LEFT, ids=WINDOW)
def test_without_what_must_be_left_beside_it_a_burst_would_be_a_creep(
    tmp_path: Path, clause: str
) -> None:
    assert verdict(tmp_path, burst(), (0, 120), True, without(tmp_path, clause)) == ""


def test_an_outage_that_is_over_is_no_creep_for_a_single_end_after_it(tmp_path: Path) -> None:
    assert verdict(tmp_path, outage(), (150, 300), False) == ""


@pytest.mark.parametrize("clause", GOING_ON, ids=WINDOW)
def test_without_the_hours_part_a_single_end_would_be_a_creep(tmp_path: Path, clause: str) -> None:
    assert verdict(tmp_path, outage(), (150, 300), True, without(tmp_path, clause)) == ""


def test_an_outage_of_yesterday_is_no_creep_for_three_ends_after_it(tmp_path: Path) -> None:
    assert verdict(tmp_path, yesterdays(), (150, 500), False) == ""


def test_without_the_six_hours_part_three_ends_would_be_a_creep(tmp_path: Path) -> None:
    assert verdict(tmp_path, yesterdays(), (150, 500), True, without(tmp_path, LEFT[1])) == ""
