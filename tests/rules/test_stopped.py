"""Successes that stop: each window from the traffic on that its policy names, and an end with the outage."""

from pathlib import Path

import pytest

from exporter import names
from tests.rules import system_cases
from tests.rules.promtool import CODES, PACK, RULES, WINDOWS, Case, Run, counted, ends, without

SYSTEM = "streampixel"
SUCCESS = CODES[SYSTEM, "1000"]
ALERT = system_cases.alert_of(SYSTEM, "stopped")
HOURS = 8
"""Of ordinary traffic: as long as the longest window and what it compares with."""
FROM = {
    # 0.07 * 2 / 60 * 642.9 = 1.5
    "2m": (2, 639, 656),
    # 0.07 * 15 / 60 * 85.7 = 1.5
    "15m": (15, 85, 87.6),
    # 0.07 * 30 / 60 * 42.9 = 1.5
    "30m": (30, 42.5, 43.8),
    # 0.07 * 1 / 6 * 111.4 = 1.3, which are 18.57 an hour
    "1h": (60, 18.4, 18.7),
    # 0.07 * 2 / 6 * 55.7 = 1.3, which are 9.29 an hour
    "2h": (120, 9.2, 9.4),
}
"""The window's minutes, and the successes an hour that are just too few for it and just enough: in the
minute of the rule's `for`, the hour before has one less in it."""


def verdict(folder: Path, case: Case, rules: Path = RULES, step: str = "1m") -> str:
    groups = ("session-ends-windows", "session-ends-long", f"session-ends-{SYSTEM}")
    records = system_cases.stopped_records()
    run = Run((WINDOWS, f"alerts-{SYSTEM}.yml"), (case,), groups, records, step)
    return run.verdict(folder, rules)


def firing(case: Case, *minutes: float) -> None:
    for minute in minutes:
        query = f'count(ALERTS{{alertname="{ALERT}", alertstate="firing"}})'
        case.query(f"{round(60 * minute)}s", query, {"{}": 1})


def silent(case: Case, first: int, last: int) -> None:
    for minute in range(first, last):
        case.silent(f"{minute}m", ALERT)


def none_after(hours: int, an_hour: float, minutes: int) -> Case:
    success = [an_hour / 60] * (60 * hours) + [0.0] * minutes
    return system_cases.minutes(SYSTEM, success, [0.0] * len(success))


def below(window: str) -> str:
    """A window's comparison, as it is written."""
    return f"({names.RULE_SUCCESSES}{window} < {names.RULE_SUCCESS_FLOOR}{window} "


def test_every_window_of_the_policy_has_its_traffic() -> None:
    assert [one.window for one in PACK.policy.stopped.windows] == list(FROM)


@pytest.mark.parametrize("window", FROM)
def test_successes_that_stop_are_a_page_when_they_were_enough_for_the_window(
    tmp_path: Path, window: str
) -> None:
    minutes, _, enough = FROM[window]
    onset = 60 * HOURS
    case = none_after(HOURS, enough, minutes + 1)
    silent(case, onset, onset + minutes + 1)
    firing(case, onset + minutes + 1)
    assert verdict(tmp_path, case) == ""


@pytest.mark.parametrize("window", FROM)
def test_too_few_successes_for_a_window_are_no_page_in_it(tmp_path: Path, window: str) -> None:
    minutes, few, _ = FROM[window]
    onset = 60 * HOURS
    case = none_after(HOURS, few, minutes + 3)
    silent(case, onset, onset + minutes + 3)
    assert verdict(tmp_path, case) == ""


@pytest.mark.parametrize("window", FROM)
def test_without_its_window_the_page_comes_later(tmp_path: Path, window: str) -> None:
    """The test that it is a page is of that window and no other."""
    minutes, _, enough = FROM[window]
    onset = 60 * HOURS
    case = none_after(HOURS, enough, minutes + 3)
    silent(case, onset, onset + minutes + 3)
    instead = f"({names.RULE_SUCCESSES}{window} < -Inf "
    assert verdict(tmp_path, case, without(tmp_path, below(window), instead=instead)) == ""


def two_hours() -> Case:
    """Of 20 successes a minute none for two hours, and then all of them again: a value every 30 s."""
    steps = [10.0] * (120 * HOURS) + [0.0] * 240 + [10.0] * 60
    return Case("30s", {ends(SUCCESS): counted(steps)})


BACK = 60 * HOURS + 120


def test_a_page_ends_eight_minutes_after_successes_are_back(tmp_path: Path) -> None:
    """A quarter of an hour has 0.00625 * 7200 = 45 of them after two and a half minutes, and the page fires
    on for five."""
    case = two_hours()
    firing(case, BACK - 110, BACK - 60, BACK, BACK + 6.5)
    silent(case, BACK + 8, BACK + 30)
    assert verdict(tmp_path, case, step="30s") == ""


def test_without_a_shorter_window_to_confirm_it_a_page_lasts_until_its_own_has_filled(
    tmp_path: Path,
) -> None:
    """Two hours have 0.07 / 3 * 7200 - 1.3 = 166.7 after eight and a half minutes."""
    case = two_hours()
    firing(case, BACK + 12)
    silent(case, BACK + 14, BACK + 30)
    confirm = f" and {names.RULE_SUCCESSES}15m < 0.00625 * {names.RULE_SUCCESSES}6h offset 2h"
    assert verdict(tmp_path, case, without(tmp_path, confirm), "30s") == ""


def test_an_exporter_that_is_away_and_comes_back_is_not_a_stop(tmp_path: Path) -> None:
    for away in (3, 20, 100):
        before = counted([20.0] * 180)
        after = counted([20.0] * 120).split(" ")
        gone = " ".join(["stale"] + ["_"] * (away - 1))
        case = Case("1m", {ends(SUCCESS): f"{before} {gone} {' '.join(after)}"})
        silent(case, 180, 181 + away + 120)
        assert verdict(tmp_path, case) == ""
