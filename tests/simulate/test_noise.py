"""Counts around means: the expectation is kept, the dispersion is what the traffic says."""

import numpy as np
import pytest

from exporter.simulate.noise import counts
from exporter.simulate.traffic import Traffic

STEP = 15.0
BINS = 20_000
MINUTES = BINS // 4
SEEDS = range(40)


def drawn(traffic: Traffic, means: tuple[float, float], seed: int) -> np.ndarray:
    """(bins, 2): successes and failures around constant means of a bin."""
    grid = np.tile(np.array(means), (BINS, 1))
    return counts(grid, STEP, traffic, [1], np.random.default_rng(seed))


def variance(traffic: Traffic, means: tuple[float, float]) -> float:
    """Of the sum of all ends, by the law of total variance.

    Poisson in each bin, times gamma factors that a minute's four bins share; a failure's leader stands for
    1 + B * G ends, B Bernoulli(burst_chance) and G geometric from 0 with mean m, E[G²] = m + 2m².
    """
    level = (traffic.level_noise * traffic.burst_scale) ** 2
    alone = (traffic.code_noise * traffic.burst_scale) ** 2
    minute = 4 * np.array(means)
    rough = level * minute.sum() ** 2 + (1 + level) * alone * (minute**2).sum()
    chance, m = traffic.burst_chance, traffic.burst_size * traffic.burst_scale
    of_one = 1 + 2 * chance * m + chance * (m + 2 * m**2)
    poisson = minute[0] + minute[1] * of_one / (1 + chance * m)
    return MINUTES * float(rough + poisson)


@pytest.mark.parametrize("means", [(0.05, 0.01), (5.0, 0.5), (500.0, 60.0)])
@pytest.mark.parametrize("burst_scale", [0.0, 1.0, 1.5])
def test_totals_vary_around_the_mean_as_much_as_computed(
    means: tuple[float, float], burst_scale: float
) -> None:
    """The squared deviations of 40 runs, in variances, sum to chi-squared of 40 degrees of freedom, whose
    0.00001 and 0.99999 quantiles are 13.1 and 91.6; the mean of all runs is within 5 of its deviations."""
    traffic = Traffic(burst_scale=burst_scale)
    totals = np.array([drawn(traffic, means, seed).sum() for seed in SEEDS])
    scaled = (totals - BINS * sum(means)) / np.sqrt(variance(traffic, means))
    assert 13.1 < (scaled**2).sum() < 91.6
    assert abs(scaled.mean()) < 5 / np.sqrt(len(SEEDS))


def dispersion(ends: np.ndarray) -> float:
    """Variance over mean of the counts of a minute; Poisson's is 1."""
    minutes = ends.reshape(-1, 4).sum(axis=1)
    return float(minutes.var() / minutes.mean())


def test_failures_are_more_dispersed_than_poisson_and_more_so_when_burstier() -> None:
    """Of Poisson counts the index of 5,000 minutes is within 1 ± 5·√(2/5000)."""
    slack = 5 * np.sqrt(2 / MINUTES)
    none, usual, burstier = (
        dispersion(drawn(Traffic(burst_scale=scale), (5.0, 0.5), 1)[:, 1])
        for scale in (0.0, 1.0, 1.5)
    )
    assert abs(none - 1) < slack
    assert usual > 1 + 2 * slack
    assert burstier > usual + slack


def test_who_succeeds_does_not_try_again() -> None:
    """Fails when bursts are drawn for every code: of the gamma factors alone, 1 + (0.05² + 0.2²)·2."""
    index = dispersion(drawn(Traffic(), (0.5, 0.5), 1)[:, 0])
    assert index < 1 + 2 * (0.05**2 + 0.2**2) + 5 * np.sqrt(2 / MINUTES)


def test_a_burst_is_over_within_a_minute_or_so() -> None:
    """All ends of one bin, each with a burst: 15/16 of the retries fall into it and three more."""
    grid = np.zeros((12, 2))
    grid[0, 1] = 100_000.0
    traffic = Traffic(level_noise=0.0, code_noise=0.0, burst_chance=1.0)
    ends = counts(grid, STEP, traffic, [1], np.random.default_rng(1))[:, 1]
    retries = ends.sum() - 25_000
    assert retries == pytest.approx(75_000, rel=0.05)
    late = ends[4:].sum() / retries
    assert late == pytest.approx(1 / 16, rel=0.1)


def test_a_code_without_a_share_has_no_ends() -> None:
    assert drawn(Traffic(), (5.0, 0.0), 1)[:, 1].sum() == 0
