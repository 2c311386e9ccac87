"""Successes that stop: each window from the traffic on that its policy names, and an end with the outage."""

from pathlib import Path

import pytest

from exporter import names
from tests.rules import system_cases
from tests.rules.promtool import (
    CODES,
    LONG_GROUP,
    RULES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    Case,
    Run,
    counted,
    ends,
    without,
)

SYSTEM = "streampixel"
SUCCESS = CODES[SYSTEM, "1000"]
ALERT = system_cases.ALERTS["stopped"]
HOURS = 8
"""Of ordinary traffic: as long as the longest window and what it compares with."""
FROM = {
    # 0.07 * 2 / 60 * 642.9 = 1.5
    "2m": (2, 639, 656),
    # 0.07 * 5 / 60 * 257.1 = 1.5
    "5m": (5, 255, 262.5),
    # 0.07 * 15 / 60 * 68.6 = 1.2
    "15m": (15, 68, 70.1),
    # 0.07 * 30 / 60 * 28.6 = 1
    "30m": (30, 28.3, 29.2),
    # 0.07 * 15.7 = 1.1
    "1h": (60, 15.5, 16.1),
    # 0.07 * 1.5 * 10.48 = 1.1
    "90m": (90, 10.3, 10.75),
}
"""The window's minutes, and the successes an hour that are just too few for it and just enough: in the
minute of the rule's `for`, the hour before has one less in it."""


def verdict(folder: Path, case: Case, rules: Path = RULES, step: str = "1m") -> str:
    records = system_cases.STOPPED_READS
    run = Run((SESSION_ENDS,), (case,), (WINDOWS_GROUP, LONG_GROUP), records, step)
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


def successes(window: str) -> str:
    return f'{names.RULE_COUNT_BY_OUTCOME}{window}{{outcome="success"}}'


def below(window: str) -> str:
    """The beginning of a window's comparison, as it is written."""
    factor = {"2m": " / 30", "5m": " / 12", "15m": " / 4", "30m": " / 2", "1h": "", "90m": " * 1.5"}
    return f"{successes(window)} < 0.07{factor[window]} * {successes('1h')}"


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
    instead = f"{successes(window)} < -Inf * {successes('1h')}"
    assert verdict(tmp_path, case, without(tmp_path, below(window), instead=instead)) == ""


def two_hours() -> Case:
    """Of 20 successes a minute none for two hours, and then all of them again: a value every 30 s."""
    steps = [10.0] * (120 * HOURS) + [0.0] * 240 + [10.0] * 60
    return Case("30s", {ends(SUCCESS): counted(steps)})


BACK = 60 * HOURS + 120


def test_a_page_ends_six_minutes_after_successes_are_back(tmp_path: Path) -> None:
    """A quarter of an hour has 0.0375 * 1200 = 45 of them after two and a half minutes, and the page fires
    on for three."""
    case = two_hours()
    firing(case, BACK - 110, BACK - 60, BACK, BACK + 4.5)
    silent(case, BACK + 6, BACK + 30)
    assert verdict(tmp_path, case, step="30s") == ""


def test_without_a_shorter_window_to_confirm_it_a_page_lasts_until_its_own_has_filled(
    tmp_path: Path,
) -> None:
    """An hour and a half has 0.07 * 1.5 * 1100 - 1.1 = 114 after five and a half minutes."""
    case = two_hours()
    firing(case, BACK + 8)
    silent(case, BACK + 10, BACK + 30)
    recent = f"{successes('15m')} < 0.15"
    shorter = f"\n                and {recent} / 4 * {successes('1h')} offset 90m"
    assert RULES.joinpath(SESSION_ENDS).read_text().count(shorter) == 1
    longer = f"\n                and {recent} / 24 * {successes('6h')} offset 90m"
    rules = without(tmp_path, shorter)
    text = (rules / SESSION_ENDS).read_text()
    assert text.count(longer) == 2
    (rules / SESSION_ENDS).write_text(text.replace(longer, ""))
    assert verdict(tmp_path, case, rules, "30s") == ""


def test_a_page_lasts_as_long_as_a_stop_of_six_hours(tmp_path: Path) -> None:
    case = none_after(HOURS, 100, 360)
    firing(case, *range(60 * HOURS + 30, 60 * (HOURS + 6), 15))
    assert verdict(tmp_path, case) == ""


def test_without_the_longer_look_a_page_ends_when_the_shorter_one_has_only_the_outage(
    tmp_path: Path,
) -> None:
    case = none_after(HOURS, 100, 360)
    firing(case, 60 * HOURS + 140)
    silent(case, 60 * HOURS + 160, 60 * (HOURS + 6))
    goes_on = f"and on (system) {names.RULE_STOPPED}\n"
    rules = without(tmp_path, goes_on, instead=f"and on (system) {names.RULE_STOPPED} > Inf\n")
    assert verdict(tmp_path, case, rules) == ""


def test_an_exporter_that_is_away_and_comes_back_is_not_a_stop(tmp_path: Path) -> None:
    for away in (3, 20, 100):
        before = counted([20.0] * 180)
        after = counted([20.0] * 120).split(" ")
        gone = " ".join(["stale"] + ["_"] * (away - 1))
        case = Case("1m", {ends(SUCCESS): f"{before} {gone} {' '.join(after)}"})
        silent(case, 180, 181 + away + 120)
        assert verdict(tmp_path, case) == ""
