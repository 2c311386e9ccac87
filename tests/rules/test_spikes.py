"""SessionEndSpike: thresholds of each window, burst exclusion, and its end after an outage.

The expected share of 4001 is 0.001. QUIET minutes of normal traffic come first.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rules.code_cases import NO_WORKERS, SPIKE, SPIKE_RULES, history
from tests.rules.rule_test import Case, firing, without

QUIET = 60
COUNT = names.RULE_COUNT
HOLD = 'ALERTS{alertname="SessionEndSpike", alertstate="firing"}'
"""The rule's own state, which it reads."""
SUB_WINDOWS = {"5m": ("3.33333333333", "211s"), "15m": ("10", "811s"), "1h": ("40", "3511s")}


def outage(ends: float, *parts: tuple[float, float], normal: float | None = None) -> Case:
    return history([NO_WORKERS], ends, (QUIET, 0), *parts, normal=normal)


def without_caps() -> str:
    """The rules with the count in place of the sum of capped sub-windows."""
    rules = ""
    for window, (factor, span) in SUB_WINDOWS.items():
        capped = f"{factor} * avg_over_time(system_code:session_ends:capped90s[{span}])"
        rules = without(capped, instead=f"{COUNT}{window}", rules=rules)
    return rules


OUTAGES = {
    # 3 + 3 * 0.5 + 4 * sqrt(0.5) + 0.015 * 500 = 14.83
    "5m": (5, 100, 14.7, 15.0),
    # 2 + 3 * 1.5 + 4 * sqrt(1.5) + 0.01 * 1500 = 26.40
    "15m": (15, 100, 26.3, 26.6),
    # 1.25 + 3 * 0.6 + 4 * sqrt(0.6) + 0.005 * 600 = 9.15. Among 100 per minute the threshold of 59.05 is a
    # share of all ends that the confirmation refuses.
    "1h": (60, 10, 9.1, 9.21),
}
"""The window's minutes, all ends per minute, and the ends of 4001 below and above its threshold.

A count above one threshold is below the other two.
"""


@pytest.mark.parametrize("window", OUTAGES)
def test_spike_needs_a_count_above_the_threshold_of_a_window(tmp_path: Path, window: str) -> None:
    minutes, ends_per_minute, below, above = OUTAGES[window]
    silent, paging = (
        outage(ends_per_minute, (10, 0), (minutes + 1, count / minutes), (5, 0))
        for count in (below, above)
    )
    silent.never_fires(SPIKE)
    begin = QUIET + 10 + minutes
    paging.fires_between(-1, begin - 0.5, SPIKE, False)
    paging.fires(begin, SPIKE)
    SPIKE_RULES.check(tmp_path, silent, paging)


@pytest.mark.parametrize(
    ("ends", "minutes", "spike"), [(20, 0.5, False), (60, 1.5, False), (20, 5, True), (60, 5, True)]
)
def test_burst_of_90_seconds_is_no_spike(
    tmp_path: Path, ends: int, minutes: float, spike: bool
) -> None:
    """The bursts are beside 1,000 ends per hour. For 20 ends threshold5m = 3 + 0.3 + 1.3 + 1.6 = 6.2 and
    threshold1h = 1.25 + 3.1 + 4.1 + 5.1 = 13.5."""
    case = outage(4 * ends, (minutes, ends / minutes), (65, 0), normal=1000 / 60)
    case.fires_between(-1, case.minutes, SPIKE, spike)
    SPIKE_RULES.check(tmp_path, case)


def test_burst_exclusion_of_each_window_keeps_a_burst_silent(tmp_path: Path) -> None:
    """The traffic is so low that capped sub-windows, of 2.6 at most, exceed the thresholds of 3 to 4. Fails
    without the burst exclusion of any window."""
    case = outage(40, (1, 16), (70, 0), normal=1)
    case.never_fires(SPIKE)
    SPIKE_RULES.check(tmp_path, case)


# Beside 200 ends per minute and a burst of 90. The burst is 90 * 91 / 90 = 91 in 90 s, because the range is
# a second longer than the window.
REMAINDERS = {
    # Needed are 3.2 + 1.2 * 1 + 2.4 * sqrt(1) = 6.8, and 91 - 90 * 301 / 300 = 0.7 of the burst.
    "5m": (5, 7.4, 7.65),
    # 2.4 + 1.2 * 3 + 2.4 * sqrt(3) = 10.2, and 91 - 90 * 901 / 900 = 0.9 of the burst.
    "15m": (15, 10.9, 11.2),
    # 0.7 + 1.2 * 12 + 2.4 * sqrt(12) = 23.4, and 1 of the burst.
    "1h": (60, 24.2, 24.6),
}
"""The window's minutes, and ends beside the burst: too few, and enough for this window only."""


@pytest.mark.parametrize("window", REMAINDERS)
def test_spike_needs_enough_ends_besides_a_burst(tmp_path: Path, window: str) -> None:
    minutes, few, enough = REMAINDERS[window]
    # A burst of 90 exceeds the caps of the sub-windows.
    rules = without_caps()
    for ends, spike in ((few, False), (enough, True)):
        rate = ends / (minutes - 1.5)
        # The minute after the burst is in the burst's 90 seconds.
        case = outage(200, (minutes - 1.5, rate), (0.5, 180), (2, rate), (5, 0))
        case.fires_between(-1, case.minutes, SPIKE, spike)
        SPIKE_RULES.check(tmp_path, case, session_ends=rules)


BURSTS = {
    # threshold5m = 3 + 5.3 + 5.3 + 26.6 = 40.2 is below a burst of 60. Sub-windows are capped at
    # 2 + 2.0 + 17.1 = 21.1: three of eight make 26.4 of five minutes, and ten other ends are beside them.
    "5m": (340, (6, 3), (0.5, 120), (3, 3)),
    # threshold15m = 2 + 7.8 + 6.5 + 26.1 = 42.4 is below two bursts; six sub-windows of 11.6 in 28 are 24.9.
    "15m": (170, (0.5, 60), (6, 0), (0.5, 60), (4, 0)),
    # threshold1h = 1.25 + 3.2 + 4.1 + 5.4 = 14.0 is below two bursts; six sub-windows of 3.9 in 118 are 7.9.
    "1h": (17, (0.5, 60), (18, 0), (0.5, 60), (10, 0)),
}
"""Normal ends per minute, and parts with their ends per minute. Burst exclusion alone would not suffice."""


@pytest.mark.parametrize("window", BURSTS)
def test_capped_sub_windows_keep_repeated_bursts_silent(tmp_path: Path, window: str) -> None:
    """Fails without the caps of the window."""
    normal, *parts = BURSTS[window]
    case = outage(200, *parts, normal=normal)
    case.never_fires(SPIKE)
    SPIKE_RULES.check(tmp_path, case)


def test_page_ends_minutes_after_its_outage(tmp_path: Path) -> None:
    """The page ends 2 min (`keep_firing_for`) after 5 min have less than half of their even share of the
    hour."""
    case = outage(24, (20, 8), (15, 0))
    case.fires_between(QUIET + 26.5, QUIET + 27, SPIKE, True)
    case.fires_between(QUIET + 27.5, QUIET + 35, SPIKE, False)
    SPIKE_RULES.check(tmp_path, case)


@pytest.mark.parametrize(("ends", "again"), [(9, False), (11, True)])
def test_spike_is_ongoing_while_15m_have_a_fifth_of_the_hour(
    tmp_path: Path, ends: int, again: bool
) -> None:
    """After 40 ends, 9 are below 0.2 * 49 = 9.8, and 11 above 0.2 * 51 = 10.2. They come in one burst, so
    that nothing is left of it in the shorter windows."""
    case = outage(2 * ends, (20, 2), (20, 0), (0.5, 2 * ends), (20, 0))
    case.fires_between(QUIET + 33, QUIET + 60, SPIKE, again)
    SPIKE_RULES.check(tmp_path, case)


def test_spike_is_ongoing_while_5m_have_their_part_of_15m(tmp_path: Path) -> None:
    """100 ends per minute. After 40 ends in five minutes, 14 are below 0.2667 * 54 = 14.4, and 15 above
    0.2667 * 55 = 14.67; threshold15m = 2.5 + 4.5 + 4.9 + 15 = 26.9, threshold1h = 1.5 + 18 + 9.8 + 30 =
    59.3."""
    below, above = (outage(100, (5, 8), (6.5, 0), (0.5, 2 * ends), (4, 0)) for ends in (14, 15))
    rules = without(HOLD, instead='ALERTS{alertname="none"}')
    # The first page has ended by then.
    span = (QUIET + 15 - 89 / 60, QUIET + 15)
    below.fires_between(*span, SPIKE, False)
    above.fires_between(*span, SPIKE, True)
    SPIKE_RULES.check(tmp_path, below, above, session_ends=rules)


def test_spike_continues_through_a_pause(tmp_path: Path) -> None:
    """A fifth of 120 ends an hour for half an hour, none for 9 minutes, a fifth again: one page.

    Fails when the rule does not read its own state.
    """
    case = outage(2, (30, 0.4), (9, 0), (10, 0.4))
    case.fires_between(QUIET + 20, QUIET + 49, SPIKE, True)
    gap = f"max_over_time(((count({firing(SPIKE)}) or vector(0)) == 0)[20m:30s])"
    case.query(QUIET + 45, gap, {})
    SPIKE_RULES.check(tmp_path, case)
