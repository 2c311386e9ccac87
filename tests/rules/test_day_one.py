"""The first day: three hours of history and none before. Poisson noise, several seeds, the shipped rules.

The rules are evaluated by exporter.promql, which tests/promql holds equal to promtool. Scrapes have no
jitter here; over-dispersed noise is the alert lab's.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest

from exporter import rule_files
from exporter.backtest.counters import Counters
from exporter.backtest.replay import Replay, load_rules
from exporter.promql.rulefile import Group
from exporter.promql.run import Firing
from tests.rules.series import TAXONOMY

STEP = 30
STEPS_PER_HOUR = 120
ONSET = 3 * STEPS_PER_HOUR
SEEDS = (1, 2)
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

Change = Callable[[dict[str, float]], Mapping[str, float]]


@cache
def shipped() -> tuple[Group, ...]:
    return load_rules(rule_files.folder())


def pages(steps: Mapping[str, np.ndarray]) -> list[Firing]:
    """The pages of a history; `steps` are each code's ends in every 30 s."""
    totals = np.stack([np.append(0, np.cumsum(ends)) for ends in steps.values()], axis=1)
    present = np.ones(len(totals), bool)
    counters = Counters("streampixel", 0.0, STEP, tuple(steps), totals, present)
    replay = Replay.of(TAXONOMY.systems["streampixel"], counters, shipped())
    assert replay is not None
    assert replay.failures == ()
    return [firing for firing in replay.firings if firing.labels["severity"] == "page"]


def pages_after(
    ends_an_hour: float,
    seed: int,
    minutes: int,
    change: Change,
    shares: Mapping[str, float] = SHARES,
) -> list[Firing]:
    """The pages of three ordinary hours, then `minutes` with the hourly rates that `change` makes."""
    random = np.random.default_rng(seed)
    normal = {code: ends_an_hour * part for code, part in shares.items()}
    normal["1000"] = ends_an_hour - sum(normal.values())
    after = change(dict(normal))
    return pages(
        {
            code: np.append(
                random.poisson(rate / STEPS_PER_HOUR, ONSET),
                random.poisson(after[code] / STEPS_PER_HOUR, 2 * minutes),
            )
            for code, rate in normal.items()
        }
    )


def only_after_onset(firings: list[Firing], **expected: str) -> bool:
    """Whether no page began before the change, and a page with these labels began after it."""
    onset = ONSET * STEP
    return all(firing.start > onset for firing in firings) and any(
        expected.items() <= firing.labels.items() for firing in firings
    )


def taking(code: str, part: float) -> Change:
    """`part` of all ends now come with `code`."""

    def change(normal: dict[str, float]) -> Mapping[str, float]:
        every = sum(normal.values())
        rates = {other: rate * (1 - part) for other, rate in normal.items()}
        return rates | {code: rates[code] + every * part}

    return change


@pytest.mark.parametrize(
    ("ends_an_hour", "part", "minutes"), [(1000, 1 / 3, 6), (10_000, 0.1, 5), (100, 0.5, 25)]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_outage_of_workers_pages_in_time(
    ends_an_hour: int, part: float, minutes: int, seed: int
) -> None:
    firings = pages_after(ends_an_hour, seed, minutes, taking("4001", part))
    assert only_after_onset(firings, alertname="SessionEndSpike", code="4001")


@pytest.mark.parametrize("normal", [0.003, 0.006])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_loop_of_an_application_pages_within_ten_minutes(normal: float, seed: int) -> None:
    firings = pages_after(3000, seed, 10, taking("4006", 0.08), SHARES | {"4006": normal})
    assert only_after_onset(firings, alertname="SessionEndSpike", code="4006")


@pytest.mark.parametrize("seed", SEEDS)
def test_successes_that_vanish_page_within_twelve_minutes(seed: int) -> None:
    firings = pages_after(1000, seed, 12, lambda normal: normal | {"1000": 0.0, "1001": 0.0})
    assert only_after_onset(firings, alertname="SessionEndsStopped")


@pytest.mark.parametrize("ends_an_hour", [30, 3000])
@pytest.mark.parametrize(
    "factors", [(5, 1), (0.2,)], ids=["a launch and its end", "a quiet evening"]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_noise_and_then_hours_of_other_traffic_wake_nobody(
    ends_an_hour: int, factors: tuple[float, ...], seed: int
) -> None:
    random = np.random.default_rng(seed)
    hours = [ends_an_hour * factor for factor in (1, 1, 1, *factors)]
    rates = np.repeat(hours, STEPS_PER_HOUR) / STEPS_PER_HOUR
    shares = SHARES | {"1000": 1 - sum(SHARES.values())}
    assert pages({code: random.poisson(rates * part) for code, part in shares.items()}) == []
