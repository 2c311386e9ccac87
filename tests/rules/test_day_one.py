"""The first day: three hours of history and none before. Poisson noise, several seeds, one policy.

Fakes: time steps are 30 s and counters have no scrape jitter; over-dispersed noise is the alert lab's.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.rules.promtool import BASELINE, CODES, SESSION_ENDS, Case, counted, ends, run

FILES = (BASELINE, SESSION_ENDS)
STEPS_PER_HOUR = 120
GROUPS = (
    "session-ends-words",
    "session-ends-baseline",
    "session-ends-windows",
    "session-ends-long",
    "session-ends-snapshots",
)
STEP = "30s"
ONSET = 3 * STEPS_PER_HOUR
SEEDS = (1, 2, 3)
SHARES = {
    "1001": 0.05,
    "1005": 0.01,
    "1006": 0.015,
    "4000": 0.001,
    "4001": 0.001,
    "4002": 0.001,
    "4003": 0.002,
    "4004": 0.01,
    "4005": 0.003,
    "4006": 0.003,
    "4007": 0.002,
    "unknown": 0.0005,
}
"""What a system has on an ordinary day; the rest ends normally."""
PAGES = 'ALERTS{severity="page", alertstate="firing"}'

Change = Callable[[dict[str, float]], Mapping[str, float]]


def history(
    ends_an_hour: float,
    seed: int,
    minutes: int,
    change: Change,
    shares: Mapping[str, float] = SHARES,
) -> Case:
    """Three ordinary hours, then `minutes` in which `change` has turned the hourly rates."""
    random = np.random.default_rng(seed)
    usual = {code: ends_an_hour * part for code, part in shares.items()}
    usual["1000"] = ends_an_hour - sum(usual.values())
    after = change(dict(usual))
    inputs = {}
    for code, rate in usual.items():
        steps = [
            *random.poisson(rate / STEPS_PER_HOUR, ONSET),
            *random.poisson(after[code] / STEPS_PER_HOUR, 2 * minutes),
        ]
        inputs[ends(CODES["streampixel", code])] = counted(steps)
    return Case(STEP, inputs)


def taking(code: str, part: float) -> Change:
    """`part` of all ends now come with `code`."""

    def change(usual: dict[str, float]) -> Mapping[str, float]:
        every = sum(usual.values())
        rates = {one: rate * (1 - part) for one, rate in usual.items()}
        return rates | {code: rates[code] + every * part}

    return change


def fires(case: Case, code: str, minutes: int) -> Case:
    """Silent until the onset, firing `minutes` after it at the latest: for a code, "" for a stop."""
    case.query("3h", f"count(max_over_time({PAGES}[3h]))", {})
    alert = (
        f'alertname="SessionEndSpike", code="{code}"' if code else 'alertname="SessionEndsStopped"'
    )
    fired = f"max_over_time({PAGES[:-1]}, {alert}}}[{minutes}m])"
    case.query(f"{180 + minutes}m", f"count({fired})", {"{}": 1})
    return case


@pytest.mark.parametrize(
    ("ends_an_hour", "part", "minutes"), [(1000, 1 / 3, 6), (10_000, 0.1, 5), (100, 0.5, 25)]
)
def test_an_outage_of_workers_pages_in_time(
    tmp_path: Path, ends_an_hour: int, part: float, minutes: int
) -> None:
    cases = [
        fires(
            history(ends_an_hour, seed, minutes, taking("4001", part)),
            "4001",
            minutes,
        )
        for seed in SEEDS
    ]
    assert run(tmp_path, FILES, *cases, step=STEP, only=GROUPS) == ""


@pytest.mark.parametrize("usual", [0.003, 0.006])
def test_a_crash_loop_of_an_application_pages_within_ten_minutes(
    tmp_path: Path, usual: float
) -> None:
    cases = [
        fires(
            history(3000, seed, 10, taking("4006", 0.08), SHARES | {"4006": usual}),
            "4006",
            10,
        )
        for seed in SEEDS
    ]
    assert run(tmp_path, FILES, *cases, step=STEP, only=GROUPS) == ""


def test_successes_that_vanish_page_within_twelve_minutes(tmp_path: Path) -> None:
    def vanish(usual: dict[str, float]) -> Mapping[str, float]:
        return usual | {"1000": 0.0, "1001": 0.0}

    cases = [fires(history(1000, seed, 12, vanish), "", 12) for seed in SEEDS]
    assert run(tmp_path, FILES, *cases, step=STEP, only=GROUPS) == ""


@pytest.mark.parametrize("ends_an_hour", [30, 3000])
@pytest.mark.parametrize(
    "factors", [(5, 1), (0.2,)], ids=["a launch and its end", "a quiet evening"]
)
def test_noise_and_then_hours_of_other_traffic_wake_nobody(
    tmp_path: Path, ends_an_hour: int, factors: tuple[float, ...]
) -> None:
    cases = []
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        hours = [ends_an_hour * factor for factor in (1, 1, 1, *factors)]
        case = Case(STEP, {})
        for code, part in (SHARES | {"1000": 1 - sum(SHARES.values())}).items():
            rates = np.repeat(hours, STEPS_PER_HOUR) / STEPS_PER_HOUR * part
            case.inputs[ends(CODES["streampixel", code])] = counted(random.poisson(rates))
        case.query(f"{60 * len(hours)}m", f"count_over_time({PAGES}[5h])", {})
        cases.append(case)
    assert run(tmp_path, FILES, *cases, step=STEP, only=GROUPS) == ""
