"""Each window by itself: a count just under its threshold is silent, one just above it fires.

One in a thousand of all ends is usual for 4001.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import names
from tests.rules import code_cases
from tests.rules.promtool import (
    CODES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    without,
)

OUTAGE = CODES["streampixel", "4001"]
ALERT = code_cases.ALERTS["spike"]
QUIET = 70


@dataclass(frozen=True)
class Outage:
    """As long as a window, and spread evenly: how many ends of 4001 are just under the window's threshold
    and just above it, among so many of all ends a minute; above one threshold is under the other two."""

    minutes: int
    ends_a_minute: float
    under: float
    above: float


OUTAGES = {
    # 3 + 3 * 0.5 + 4 * sqrt(0.5) + 0.015 * 500 = 14.83
    "5m": Outage(5, 100, 14.7, 15.0),
    # 2 + 3 * 1.5 + 4 * sqrt(1.5) + 0.01 * 1500 = 26.40
    "15m": Outage(15, 100, 26.3, 26.6),
    # 1.25 + 3 * 0.6 + 4 * sqrt(0.6) + 0.005 * 600 = 9.15. Among 100 a minute it would be 59.05, a share of
    # all ends for which the confirmation is not enough.
    "1h": Outage(60, 10, 9.1, 9.21),
}


def case_of(outage: Outage, count: float) -> Case:
    parts = (QUIET, 0), (outage.minutes + 1, count / outage.minutes), (5, 0)
    every = outage.ends_a_minute
    return code_cases.rates("streampixel", [OUTAGE], every, *parts, usual=0.001, step=30)


def run_of(case: Case) -> Run:
    return Run((SESSION_ENDS,), (case,), only=(WORDS_GROUP, WINDOWS_GROUP), step="30s")


def silent(outage: Outage, count: float) -> Run:
    case = case_of(outage, count)
    for step in range(QUIET * 2, (QUIET + outage.minutes + 6) * 2):
        case.silent(f"{30 * step}s", ALERT)
    return run_of(case)


def firing(outage: Outage, count: float) -> Run:
    case = case_of(outage, count)
    at = (QUIET + outage.minutes) * 60
    case.silent(f"{at - 30}s", ALERT)
    labels = {"alertname": ALERT} | code_cases.labels_of(OUTAGE, "spike")
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    expected = {f'ALERTS{{alertstate="firing", {inner}}}': 1}
    case.query(f"{at}s", f'ALERTS{{alertname="{ALERT}", alertstate="firing"}}', expected)
    return run_of(case)


@pytest.mark.parametrize("window", OUTAGES)
def test_a_count_just_under_a_windows_threshold_is_no_spike(tmp_path: Path, window: str) -> None:
    outage = OUTAGES[window]
    assert silent(outage, outage.under).verdict(tmp_path) == ""


@pytest.mark.parametrize("window", OUTAGES)
def test_a_count_just_above_a_windows_threshold_is_a_spike(tmp_path: Path, window: str) -> None:
    outage = OUTAGES[window]
    assert firing(outage, outage.above).verdict(tmp_path) == ""


@pytest.mark.parametrize("window", OUTAGES)
def test_without_its_window_an_outage_is_not_seen(tmp_path: Path, window: str) -> None:
    """The test above is of that window and no other."""
    count, outage = names.RULE_COUNT + window, OUTAGES[window]
    rules = without(
        tmp_path,
        f"{count} > {names.RULE_THRESHOLD}{window}\n                and",
        instead=f"{count} > Inf\n                and",
    )
    assert silent(outage, outage.above).verdict(tmp_path, rules) == ""
