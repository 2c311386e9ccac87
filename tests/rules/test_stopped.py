"""SessionEndsStopped: the traffic that each window needs, and the end of the alert after the outage."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rules.code_cases import SUCCESS
from tests.rules.rule_test import Case
from tests.rules.series import counter, ends
from tests.rules.system_cases import STOPPED, STOPPED_RULES, by_minute

HOURS = 8
"""Hours of ordinary traffic, as long as the longest window and its comparison."""
ONSET = 60 * HOURS
DAY = 24 * 60
WINDOWS = {
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
"""The window's minutes; successes per hour just too few and just enough for it, one of which leaves the hour
before in the minute of the rule's `for`."""


def none_after(per_hour: float, minutes: int) -> Case:
    """HOURS with the given rate of successes, then minutes without successes."""
    successes = [per_hour / 60] * ONSET + [0.0] * minutes
    return by_minute("streampixel", successes, [0.0] * len(successes))


@pytest.mark.parametrize("window", WINDOWS)
def test_stop_pages_when_traffic_was_enough_for_a_window(tmp_path: Path, window: str) -> None:
    """Fails without the window: the next longer window pages later."""
    minutes, few, enough = WINDOWS[window]
    silent, paging = (none_after(rate, minutes + 3) for rate in (few, enough))
    silent.never_fires(STOPPED)
    paging.fires_between(-1, ONSET + minutes, STOPPED, False)
    paging.fires(ONSET + minutes + 1, STOPPED)
    STOPPED_RULES.check(tmp_path, silent, paging)


def test_page_ends_six_minutes_after_successes_are_back(tmp_path: Path) -> None:
    """20 successes per minute, none for two hours, and all again. After 2.5 minutes 15 minutes have 0.0375 *
    1200 = 45 of them; `keep_firing_for` is three minutes. Without the shorter windows the page lasts until
    an hour and a half has 0.07 * 1.5 * 1100 - 1.1 = 114, after 5.5 minutes."""
    rules = replace(STOPPED_RULES, step=0.5)
    increases = [10.0] * (120 * HOURS) + [0.0] * 240 + [10.0] * 60
    case = Case({ends(SUCCESS): counter(increases)}, every=0.5)
    back = ONSET + 120
    for minute in (back - 110, back - 60, back, back + 4.5):
        case.fires(minute, STOPPED)
    case.fires_between(back + 6, case.minutes, STOPPED, False)
    rules.check(tmp_path, case)


def test_page_lasts_as_long_as_a_stop_of_twelve_hours(tmp_path: Path) -> None:
    """Fails without the hold while no session succeeds: after six hours, all windows contain only the
    outage."""
    case = none_after(100, 720)
    for minute in range(ONSET + 30, ONSET + 720, 15):
        case.fires(minute, STOPPED)
    STOPPED_RULES.check(tmp_path, case)


def test_page_lasts_while_few_sessions_succeed(tmp_path: Path) -> None:
    """1,000 successes an hour fall to 3 %. Fails without the comparison with six hours: after two hours, the
    hour before contains only the outage."""
    successes = [1000 / 60] * ONSET + [0.5] * 300
    case = by_minute("streampixel", successes, [0.0] * len(successes))
    for minute in range(ONSET + 10, ONSET + 240, 10):
        case.fires(minute, STOPPED)
    STOPPED_RULES.check(tmp_path, case)


@pytest.mark.parametrize(("per_hour", "pages"), [(2, True), (1, False)])
def test_stop_that_begins_in_a_quiet_night_pages(
    tmp_path: Path, per_hour: int, pages: bool
) -> None:
    """12 successes in the six quietest hours of a week are enough, 6 are not: a system that rests."""
    successes = ([100 / 60] * 840 + [per_hour / 60] * 600) * 8 + [0.0] * 400
    case = by_minute("streampixel", successes, [0.0] * len(successes))
    stop = 8 * DAY
    case.fires_between(stop - 300, stop + 330, STOPPED, False)
    case.fires(stop + 365, STOPPED, pages)
    STOPPED_RULES.check(tmp_path, case)


def test_day_of_rest_is_no_stop(tmp_path: Path) -> None:
    """Fails when the quietest six hours are those of a few days: it is the second Sunday."""
    week = [100 / 60] * 6 * DAY + [0.0] * DAY
    case = by_minute("streampixel", week * 2, [0.0] * 14 * DAY)
    case.fires_between(13 * DAY - 60, 14 * DAY, STOPPED, False)
    STOPPED_RULES.check(tmp_path, case)


def test_few_successes_for_half_a_day_still_page(tmp_path: Path) -> None:
    """3 % are left. Fails when the quietest six hours may be those of the outage itself."""
    successes = [100 / 60] * 8 * DAY + [3 / 60] * 12 * 60
    case = by_minute("streampixel", successes, [0.0] * len(successes))
    case.fires(8 * DAY + 11 * 60, STOPPED)
    STOPPED_RULES.check(tmp_path, case)


def test_exporter_that_was_down_for_half_a_day_is_no_stop(tmp_path: Path) -> None:
    """Fails without the condition that the exporter had counts three hours ago."""
    before, after = counter([100 / 60] * 8 * DAY), counter([100 / 60] * DAY)
    case = Case({ends(SUCCESS): f"{before} stale _x720 {after}"})
    case.fires_between(8 * DAY, case.minutes, STOPPED, False)
    STOPPED_RULES.check(tmp_path, case)


def test_page_survives_a_restart_of_the_exporter_and_ends_with_the_platform(tmp_path: Path) -> None:
    """Fails when a missed scrape ends the hold, and when the hold has no end."""
    totals = counter([100 / 60] * 2 * DAY).split()
    case = Case({ends(SUCCESS): " ".join([*totals, f"{totals[-1]}x200 stale _ {totals[-1]}x2000"])})
    case.fires(2 * DAY + 20 * 60, STOPPED)
    case.fires_between(2 * DAY + 31 * 60, case.minutes, STOPPED, False)
    STOPPED_RULES.check(tmp_path, case)


@pytest.mark.parametrize("pause", [4, 7], ids=["2m", "5m"])
def test_pauses_of_bursty_traffic_are_no_stop(tmp_path: Path, pause: int) -> None:
    """20 successes per minute with a pause every 30 minutes: another pause is then no sign of a stop. Fails
    without the condition that the window was never nearly empty in the hour before."""
    increases = [20.0] * ONSET + ([0.0] * pause + [20.0] * (30 - pause)) * 6
    case = by_minute("streampixel", increases, [0.0] * len(increases))
    case.fires_between(ONSET + 90, case.minutes, STOPPED, False)
    STOPPED_RULES.check(tmp_path, case)


@pytest.mark.parametrize("minutes", [3, 20, 100])
def test_exporter_that_is_down_and_comes_back_is_no_stop(tmp_path: Path, minutes: int) -> None:
    gone = " ".join(["stale"] + ["_"] * (minutes - 1))
    case = Case({ends(SUCCESS): f"{counter([20.0] * 180)} {gone} {counter([20.0] * 120)}"})
    case.never_fires(STOPPED)
    STOPPED_RULES.check(tmp_path, case)


@pytest.mark.parametrize("window", WINDOWS)
def test_senders_that_come_back_later_than_the_exporter_are_no_stop(
    tmp_path: Path, window: str
) -> None:
    """Fails without the window's look at the counts half a window ago."""
    minutes, _, enough = WINDOWS[window]
    # Minutes between samples, and the samples without ends after the exporter is back.
    every, late = (0.5, 3) if window == "2m" else (1, (minutes - 1) // 2)
    # The hour before the window contains a part of the gap. Too few for a shorter window.
    step = 1.5 * every * enough / 60
    before = counter([step] * round(ONSET / every))
    gone = " ".join(["stale"] + ["_"] * round(minutes / every))
    after = counter([0.0] * late + [step] * 120)
    case = Case({ends(SUCCESS): f"{before} {gone} {after}"}, every=every)
    case.never_fires(STOPPED)
    replace(STOPPED_RULES, step=every).check(tmp_path, case)


def opened(*days: range) -> Case:
    """20 successes per minute in these hours of each day, which then fall to 1 within half an hour."""
    minutes = []
    for hours in days:
        end = 60 * hours.stop
        for minute in range(24 * 60):
            closes = 20 - 19 * min(minute - end, 30) / 30 if minute >= end > 0 else 1.0
            minutes.append(20.0 if minute // 60 in hours else closes)
    return by_minute("streampixel", minutes, [0.0] * len(minutes))


def closing(day: int, hour: int = 18) -> tuple[float, float, str]:
    """The span of an hour after an office closes on a day, and the alert."""
    return (24 * day + hour) * 60, (24 * day + hour) * 60 + 60, STOPPED


OFFICE = range(8, 18)


def test_office_that_closes_as_on_the_day_before_is_no_stop(tmp_path: Path) -> None:
    """Closing counts as a stop on the first day, and at another time than on the day before."""
    case = opened(OFFICE, OFFICE, range(8, 14))
    case.fires_between(*closing(0), True)
    case.fires_between(*closing(1), False)
    case.fires_between(*closing(2, 14), True)
    STOPPED_RULES.check(tmp_path, case)


def test_office_that_closes_within_a_minute_is_no_stop(tmp_path: Path) -> None:
    """Fails when the hour around this time of the day or week before is compared: half of it was open."""
    day = [0.0] * 480 + [20.0] * 600 + [0.0] * 360
    case = by_minute("streampixel", day * 15, [0.0] * 15 * DAY)
    case.fires_between(*closing(0), True)
    for later in (1, 7, 14):
        case.fires_between(*closing(later), False)
    STOPPED_RULES.check(tmp_path, case)


def test_early_closing_is_compared_with_the_same_weekday(tmp_path: Path) -> None:
    """A weekend with early closing equals the weekend before, and a Monday is not compared with a Sunday."""
    week = [OFFICE] * 5 + [range(6, 16), range(0)]
    case = opened(*week, *week, range(4, 14))
    case.fires_between(*closing(5, 16), True)
    case.fires_between(*closing(12, 16), False)
    case.fires_between(*closing(14, 14), True)
    STOPPED_RULES.check(tmp_path, case)


def test_closed_day_of_last_week_does_not_hide_a_stop(tmp_path: Path) -> None:
    """Fails without the comparison with the week before last."""
    case = opened(*[OFFICE] * 7, range(0), *[OFFICE] * 6, range(8, 14))
    case.fires_between(*closing(14, 14), True)
    STOPPED_RULES.check(tmp_path, case)
