"""The first day: pages after three hours of history, with Poisson noise and the shipped rules."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from exporter import rule_files
from exporter.backtest.counters import Counters
from exporter.backtest.replay import Replay, load_rules
from tests.rules.series import TAXONOMY

STEPS_PER_HOUR = 120
ONSET = 3 * STEPS_PER_HOUR
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
"""Normal shares of the ends; all others end with 1000."""
RULES = load_rules(rule_files.folder())

Rates = Mapping[str, float]


def pages(rates: Mapping[str, np.ndarray], seed: int) -> list[tuple[float, str, str]]:
    """Start in steps, alert and code of each page; `rates` are ends per hour of each code, by step."""
    random = np.random.default_rng(seed)
    steps = [np.append(0, random.poisson(rate / STEPS_PER_HOUR)) for rate in rates.values()]
    totals = np.cumsum(np.stack(steps, axis=1), axis=0)
    counters = Counters("streampixel", 0.0, 30, tuple(rates), totals, np.ones(len(totals), bool))
    replay = Replay.of(TAXONOMY.systems["streampixel"], counters, RULES)
    assert replay is not None
    assert replay.failures == ()
    return [
        (firing.start / 30, firing.rule.name, firing.labels.get("code", ""))
        for firing in replay.firings
        if firing.labels["severity"] == "page"
    ]


def normal(ends_per_hour: float, **shares: float) -> dict[str, float]:
    known = SHARES | shares
    return {
        code: ends_per_hour * share
        for code, share in {**known, "1000": 1 - sum(known.values())}.items()
    }


def outage(code: str, share: float) -> Callable[[Rates], Rates]:
    """A part of all ends now has this code."""

    def change(before: Rates) -> Rates:
        rates = {other: rate * (1 - share) for other, rate in before.items()}
        return rates | {code: rates[code] + sum(before.values()) * share}

    return change


def no_success(before: Rates) -> Rates:
    return {**before, "1000": 0.0, "1001": 0.0}


@pytest.mark.parametrize(
    ("before", "change", "minutes", "page"),
    [
        (normal(100), outage("4001", 0.5), 25, ("SessionEndSpike", "4001")),
        (normal(1000), outage("4001", 1 / 3), 6, ("SessionEndSpike", "4001")),
        (normal(10_000), outage("4001", 0.1), 5, ("SessionEndSpike", "4001")),
        (normal(3000), outage("4006", 0.08), 20, ("SessionEndSpike", "4006")),
        (normal(3000, **{"4006": 0.006}), outage("4006", 0.08), 20, ("SessionEndSpike", "4006")),
        (normal(1000), no_success, 12, ("SessionEndsStopped", "")),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_outage_on_day_one_pages_in_time(
    before: Rates, change: Callable[[Rates], Rates], minutes: int, page: tuple[str, str], seed: int
) -> None:
    after = change(before)
    rates = {code: np.repeat([before[code], after[code]], [ONSET, 2 * minutes]) for code in before}
    fired = pages(rates, seed)
    assert page in [(alert, code) for _, alert, code in fired]
    assert all(start > ONSET for start, *_ in fired)


@pytest.mark.parametrize("ends_per_hour", [30, 3000])
@pytest.mark.parametrize("factors", [(5, 1), (0.2,)], ids=["launch", "quiet evening"])
@pytest.mark.parametrize("seed", [1, 2])
def test_change_of_traffic_on_day_one_does_not_page(
    ends_per_hour: int, factors: tuple[float, ...], seed: int
) -> None:
    hours = np.repeat((1, 1, 1, *factors), STEPS_PER_HOUR)
    rates = {code: hours * rate for code, rate in normal(ends_per_hour).items()}
    assert pages(rates, seed) == []
