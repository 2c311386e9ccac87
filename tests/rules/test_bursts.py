"""A burst is no outage: what one user who tries again does in a minute wakes nobody.

One in a thousand of all ends is usual for 4001. A value every 30 s, as the rules are evaluated: the
90 seconds that a window is judged without are four of them.
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
    counted,
    without,
)

OUTAGE = CODES["streampixel", "4001"]
ALERT = code_cases.ALERTS["spike"]
QUIET = 60
MINIMUMS = {"5m": "3.2", "15m": "2.4", "1h": "0.7"}
"""What must be left of a window without its worst 90 seconds, beside parts of the expected count."""
SUB_WINDOWS = {"5m": ("3.33333333333", "211s"), "15m": ("10", "811s"), "1h": ("40", "3511s")}


def case_of(ends_a_minute: float, *parts: tuple[float, float]) -> Case:
    return code_cases.rates(
        "streampixel", [OUTAGE], ends_a_minute, (QUIET, 0), *parts, usual=0.001, step=30
    )


def verdict(folder: Path, case: Case, paged: bool, rules: Path = RULES) -> str:
    """Of the whole case, to its end."""
    last = f"{len(case.inputs[code_cases.ends(OUTAGE)].split(' ')) * 30 - 30}s"
    found = f'count(count_over_time(ALERTS{{alertname="{ALERT}", alertstate="firing"}}[3h]))'
    case.query(last, found, {"{}": 1} if paged else {})
    run = Run((SESSION_ENDS,), (case,), only=(WORDS_GROUP, WINDOWS_GROUP), step="30s")
    return run.verdict(folder, rules)


def burst_clause(window: str) -> str:
    """The clause about the window without its worst 90 seconds, as it is written."""
    count = f"{names.RULE_COUNT}{window}"
    expected = f"({names.RULE_SHARE} * on (system) group_left () sum by (system) ({count}))"
    span = SUB_WINDOWS[window][1]
    lines = (
        f"\n                and {count} - max_over_time({names.RULE_COUNT}90s[{span}])",
        f"                  > {MINIMUMS[window]}",
        f"                    + 1.2 * {expected}",
        f"                    + 2.4 * sqrt{expected}",
    )
    return "\n".join(lines)


def capped_clause(window: str) -> str:
    """The clause about its capped sub-windows, as it is written."""
    factor, span = SUB_WINDOWS[window]
    capped = f"{factor} * avg_over_time(system_code:session_ends:capped90s[{span}])"
    return f"\n                and {capped} > {names.RULE_THRESHOLD}{window}"


def beside_others(ends: int, minutes: float) -> Case:
    """That many ends in so many minutes, beside 1,000 an hour as ever, and then an hour of these alone.

    With 20 of them threshold5m = 3 + 0.3 + 1.3 + 1.6 = 6.2 and
    threshold1h = 1.25 + 3.1 + 4.1 + 5.1 = 13.5."""
    case = case_of(4 * ends, (minutes, ends / minutes), (65, 0))
    steps = round(2 * (QUIET + minutes + 65))
    case.inputs[code_cases.ends(CODES["streampixel", "1000"])] = counted([1000 / 120] * steps)
    return case


@pytest.mark.parametrize("minutes", [0.5, 1, 1.5])
@pytest.mark.parametrize("ends", [20, 40, 60])
def test_a_burst_of_one_user_is_no_spike_as_long_as_any_window_remembers_it(
    tmp_path: Path, ends: int, minutes: float
) -> None:
    assert verdict(tmp_path, beside_others(ends, minutes), False) == ""


@pytest.mark.parametrize("ends", [20, 40, 60])
def test_as_many_ends_spread_over_five_minutes_are_a_spike(tmp_path: Path, ends: int) -> None:
    assert verdict(tmp_path, beside_others(ends, 5), True) == ""


@pytest.mark.parametrize("window", MINIMUMS)
def test_each_window_is_judged_without_its_worst_ninety_seconds_or_a_burst_pages(
    tmp_path: Path, window: str
) -> None:
    """Where so little comes that a burst's slices, each of 2.6 at most, are above the limits of 3 to 4."""

    def burst() -> Case:
        case = case_of(40, (1, 16), (70, 0))
        one_a_minute = counted([0.5] * (2 * (QUIET + 71)))
        case.inputs[code_cases.ends(CODES["streampixel", "1000"])] = one_a_minute
        return case

    assert verdict(tmp_path, burst(), False) == ""
    rules = without(tmp_path, burst_clause(window))
    assert verdict(tmp_path, burst(), True, rules) == ""


# Of 200 ends a minute, and with a burst of 90, which is 90 * 91 / 90 = 91 in 90 s since the range is a
# second longer than the window.
RESTS = {
    # Left must be 3.2 + 1.2 * 1 + 2.4 * sqrt(1) = 6.8, and 91 - 90 * 301 / 300 = 0.7 of the burst.
    "5m": (5, 7.4, 7.65),
    # 2.4 + 1.2 * 3 + 2.4 * sqrt(3) = 10.2, and 91 - 90 * 901 / 900 = 0.9 of the burst.
    "15m": (15, 10.9, 11.2),
    # 0.7 + 1.2 * 12 + 2.4 * sqrt(12) = 23.4, and 1 of the burst.
    "1h": (60, 24.2, 24.6),
}
"""The window's minutes, and how many ends are just too few and just enough in it beside the burst's 90
seconds; what is enough for one window is too little for the others."""


@pytest.mark.parametrize("enough", [False, True], ids=["too few", "enough"])
@pytest.mark.parametrize("window", RESTS)
def test_what_is_left_of_a_window_without_its_burst_decides(
    tmp_path: Path, window: str, enough: bool
) -> None:
    minutes, few, some = RESTS[window]
    rate = (some if enough else few) / (minutes - 1.5)
    # A minute after the burst is in its 90 seconds.
    case = case_of(200, (minutes - 1.5, rate), (0.5, 180), (2, rate), (5, 0))
    # A burst of 90 is too large for the slices: this is about what is left of the window.
    rules = without(tmp_path, *map(capped_clause, MINIMUMS))
    assert verdict(tmp_path, case, enough, rules) == ""


# What comes beside it a minute, and minutes with such a rate: bursts within half a minute of which what is
# left without the worst 90 seconds is enough.
BURSTS = {
    # threshold5m = 3 + 5.3 + 5.3 + 26.6 = 40.2 is below a burst of 60 and above its slices, each of
    # 2 + 2.0 + 17.1 = 21.1 at most: three of eight make 26.4 of five minutes, and ten others are beside them.
    "5m": (340, (6, 3), (0.5, 120), (3, 3)),
    # threshold15m = 2 + 7.8 + 6.5 + 26.1 = 42.4 is below two bursts; six slices of 11.6 in 28 are 24.9.
    "15m": (170, (0.5, 60), (6, 0), (0.5, 60), (4, 0)),
    # threshold1h = 1.25 + 3.2 + 4.1 + 5.4 = 14.0 is below two bursts; six slices of 3.9 in 118 are 7.9.
    "1h": (17, (0.5, 60), (18, 0), (0.5, 60), (10, 0)),
}


@pytest.mark.parametrize("window", BURSTS)
def test_a_burst_and_what_came_beside_it_are_no_spike_either(tmp_path: Path, window: str) -> None:
    """Each counts for no more than its slices may, so that a few of them are below the limit."""
    every, *parts = BURSTS[window]

    def bursts() -> Case:
        case = case_of(200, *parts)
        normal = code_cases.ends(CODES["streampixel", "1000"])
        case.inputs[normal] = counted([every / 2] * len(case.inputs[normal].split(" ")))
        return case

    assert verdict(tmp_path, bursts(), False) == ""
    rules = without(tmp_path, capped_clause(window))
    assert verdict(tmp_path, bursts(), True, rules) == ""
