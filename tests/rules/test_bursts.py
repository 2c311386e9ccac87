"""A burst is no outage: what one user who tries again does in a minute wakes nobody.

One in a thousand of all ends is usual for 4001. A value every 30 s, as the rules are evaluated: the
90 seconds that a window is judged without are four of them.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rules import code_cases
from tests.rules.promtool import CODES, PACK, RULES, WINDOWS, Case, Run, counted, without

OUTAGE = CODES["streampixel", "4001"]
ALERT = code_cases.alert_of(OUTAGE, "spike")
QUIET = 60
LIMITED = [str(one.window) for one in PACK.policy.limit.windows]


def case_of(ends_a_minute: float, *parts: tuple[float, float]) -> Case:
    return code_cases.rates(
        "streampixel", [OUTAGE], ends_a_minute, (QUIET, 0), *parts, usual=0.001, step=30
    )


def verdict(folder: Path, case: Case, paged: bool, rules: Path = RULES) -> str:
    """Of the whole case, to its end."""
    last = f"{len(case.inputs[code_cases.ends(OUTAGE)].split(' ')) * 30 - 30}s"
    found = f'count(count_over_time(ALERTS{{alertname="{ALERT}", alertstate="firing"}}[3h]))'
    case.query(last, found, {"{}": 1} if paged else {})
    only = ("session-ends-windows", "session-ends-streampixel")
    run = Run((WINDOWS, "alerts-streampixel.yml"), (case,), only=only, step="30s")
    return run.verdict(folder, rules)


def rest_of(window: str) -> str:
    """The clause of a window, as it is written."""
    policy = PACK.policy
    (floor,) = (f"{one.rest:g}" for one in policy.limit.windows if one.window == window)
    usual = names.RULE_USUAL + window
    return (
        f"\n          and {names.RULE_REST}{window} > {floor} + {policy.spike.rest_factor:g} * {usual}"
        f" + {policy.spike.rest_root:g} * sqrt({usual})"
    )


def beside_others(ends: int, minutes: float) -> Case:
    """That many ends in so many minutes, beside 1,000 an hour as ever, and then an hour of these alone.

    With 20 of them limit5m = 4 + 0.3 + 1.3 + 1.6 = 7.2 and limit1h = 1.5 + 3.1 + 4.1 + 5.1 = 13.8."""
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


@pytest.mark.parametrize("window", LIMITED)
def test_each_window_is_judged_without_its_worst_ninety_seconds_or_a_burst_pages(
    tmp_path: Path, window: str
) -> None:
    case = case_of(1000 / 60, (1, 16), (5, 0))
    rules = without(tmp_path, rest_of(window))
    assert verdict(tmp_path, case, True, rules) == ""


# Of 200 ends a minute, and with a burst of 90, which is 90 * 91 / 90 = 91 in 90 s since the range is a
# second longer than the window.
RESTS = {
    # Left must be 4 + 1.5 * 1 + 3 * sqrt(1) = 8.5, and 91 - 90 * 301 / 300 = 0.7 of the burst.
    "5m": (5, 9.1, 9.35),
    # 3 + 1.5 * 3 + 3 * sqrt(3) = 12.7, and 91 - 90 * 901 / 900 = 0.9 of the burst.
    "15m": (15, 13.45, 13.75),
    # 1 + 1.5 * 12 + 3 * sqrt(12) = 29.4, and 1 of the burst.
    "1h": (60, 30.2, 30.6),
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
    # A minute after the burst is in its 90 seconds, and lasts as long as the rule's `for`.
    case = case_of(200, (minutes - 1.5, rate), (0.5, 180), (2, rate), (5, 0))
    assert verdict(tmp_path, case, enough) == ""
