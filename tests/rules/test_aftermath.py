"""After an outage: its page ends with it, and what a window remembers of it pages nobody again.

One in a thousand of all ends is usual for 4001. A value every 30 s, as the rules are evaluated.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rules import code_cases
from tests.rules.promtool import (
    CODES,
    RULES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    without,
)

OUTAGE = CODES["streampixel", "4001"]
ALERT = code_cases.ALERTS["spike"]
QUIET = 60


def case_of(ends_a_minute: float, *parts: tuple[float, float]) -> Case:
    return code_cases.rates(
        "streampixel", [OUTAGE], ends_a_minute, (QUIET, 0), *parts, usual=0.001, step=30
    )


def verdict(folder: Path, case: Case, rules: Path = RULES) -> str:
    run = Run((SESSION_ENDS,), (case,), only=(WORDS_GROUP, WINDOWS_GROUP), step="30s")
    return run.verdict(folder, rules)


def paged(case: Case, after: float, until: float, again: bool) -> Case:
    """Whether any page fires in these minutes, counted from the outage's first."""
    firing = f'ALERTS{{alertname="{ALERT}", alertstate="firing"}}'
    span = f"[{round(60 * (until - after))}s]"
    at = f"{round(60 * (QUIET + until))}s"
    case.query(at, f"count(count_over_time({firing}{span}))", {"{}": 1} if again else {})
    return case


def test_a_page_ends_eight_minutes_after_its_outage(tmp_path: Path) -> None:
    """Five until the confirming window is empty, and three that it fires on."""
    case = case_of(24, (20, 8), (15, 0))
    paged(case, 27.5, 28, True)
    paged(case, 28.5, 35, False)
    assert verdict(tmp_path, case) == ""


STILL_1H = f"\n                and {names.RULE_COUNT}15m > 0.2 * {names.RULE_COUNT}1h"
STILL_15M = f"\n                and {names.RULE_COUNT}5m > 0.266666666667 * {names.RULE_COUNT}15m"


def single() -> Case:
    """Of 120 ends an hour, an outage of twenty minutes and one end when it is over for twenty."""
    return case_of(2, (20, 1), (20, 0), (0.5, 2), (20, 0))


def test_an_hour_that_remembers_an_outage_does_not_page_for_a_single_end_after_it(
    tmp_path: Path,
) -> None:
    case = single()
    paged(case, 5, 20, True)
    paged(case, 31, 60, False)
    assert verdict(tmp_path, case) == ""


def test_without_the_part_that_must_be_going_on_it_would(tmp_path: Path) -> None:
    case = paged(single(), 40, 60, True)
    assert verdict(tmp_path, case, without(tmp_path, STILL_1H)) == ""


@pytest.mark.parametrize(("ends", "again"), [(9, False), (11, True)])
def test_a_quarter_of_an_hour_with_its_part_of_the_hours_ends_is_going_on(
    tmp_path: Path, ends: int, again: bool
) -> None:
    """After 40: 9 are below 0.2 * 49 = 9.8, and 11 above 0.2 * 51 = 10.2. At once, so that neither of the
    shorter windows has anything left without them."""
    case = case_of(2 * ends, (20, 2), (20, 0), (0.5, 2 * ends), (20, 0))
    paged(case, 31, 60, again)
    assert verdict(tmp_path, case) == ""


@pytest.mark.parametrize(("ends", "again"), [(14, False), (15, True)])
def test_five_minutes_with_their_part_of_a_quarter_of_an_hour_are_going_on(
    tmp_path: Path, ends: int, again: bool
) -> None:
    """Of 100 ends a minute, after 40 in five: 14 are below 0.2667 * 54 = 14.4, and 15 above 0.2667 * 55 =
    14.67; threshold15m = 2.5 + 4.5 + 4.9 + 15 = 26.9, and threshold1h = 1.5 + 18 + 9.8 + 30 = 59.3."""
    assert verdict(tmp_path, quarter(ends, again)) == ""


def test_without_their_part_fourteen_would_be_a_spike(tmp_path: Path) -> None:
    assert verdict(tmp_path, quarter(14, True), without(tmp_path, STILL_15M)) == ""


def quarter(ends: float, spike: bool) -> Case:
    """From the twelfth minute on until a quarter of an hour has passed: by then the page has ended."""
    case = case_of(100, (5, 8), (6.5, 0), (0.5, 2 * ends), (4, 0))
    pending = f'count(count_over_time(ALERTS{{alertname="{ALERT}", alertstate="firing"}}[89s]))'
    case.query(f"{QUIET + 15}m", pending, {"{}": 1} if spike else {})
    return case
