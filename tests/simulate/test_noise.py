"""Random counts around means, and the counts that scrapes see."""

import numpy as np
import pytest

from exporter.simulate import noise
from exporter.simulate.noise import (
    BURST_CHANCE,
    BURST_SIZE,
    CODE_NOISE,
    LEVEL_NOISE,
    LONGEST_RESTART,
    counts,
    scrape,
)
from exporter.simulate.traffic import Traffic

STEP = 15.0
BINS = 20_000
MINUTES = BINS // 4
SEEDS = range(40)
DAY_BINS = 5760


def drawn(traffic: Traffic, means: tuple[float, float], seed: int) -> np.ndarray:
    """(bins, 2): successes and failures around constant means of a bin."""
    grid = np.tile(np.array(means), (BINS, 1))
    return counts(grid, STEP, traffic, [1], np.random.default_rng(seed))[0]


def variance(traffic: Traffic, means: tuple[float, float]) -> float:
    """The variance of the sum of all ends, by the law of total variance.

    Poisson in each bin, times gamma factors that the four bins of a minute share. A failed first attempt
    stands for 1 + B * G ends: B Bernoulli(chance), G geometric with mean m, E[G²] = m + 2m².
    """
    level = (LEVEL_NOISE * traffic.burst_scale) ** 2
    code = (CODE_NOISE * traffic.burst_scale) ** 2
    minute = 4 * np.array(means)
    gamma = level * minute.sum() ** 2 + (1 + level) * code * (minute**2).sum()
    chance, m = BURST_CHANCE, BURST_SIZE * traffic.burst_scale
    attempt = 1 + 2 * chance * m + chance * (m + 2 * m**2)
    return MINUTES * float(gamma + minute[0] + minute[1] * attempt / (1 + chance * m))


@pytest.mark.parametrize(
    ("means", "burst_scale"), [((500.0, 60.0), 0.0), ((0.05, 0.01), 1.0), ((5.0, 0.5), 1.5)]
)
def test_counts_keep_the_mean_and_have_the_computed_variance(
    means: tuple[float, float], burst_scale: float
) -> None:
    """The squared deviations of 40 runs, in variances, are chi-squared with 40 degrees of freedom: the
    quantiles 0.00001 and 0.99999 are 13.1 and 91.6."""
    traffic = Traffic(burst_scale=burst_scale)
    totals = np.array([drawn(traffic, means, seed).sum() for seed in SEEDS])
    scaled = (totals - BINS * sum(means)) / np.sqrt(variance(traffic, means))
    assert 13.1 < (scaled**2).sum() < 91.6
    assert abs(scaled.mean()) < 5 / np.sqrt(len(SEEDS))


def test_retries_end_within_about_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each end of the first bin starts a burst: 15/16 of the retries are in that bin and three more."""
    grid = np.zeros((12, 2))
    grid[0, 1] = 100_000.0
    for name, value in (("LEVEL_NOISE", 0.0), ("CODE_NOISE", 0.0), ("BURST_CHANCE", 1.0)):
        monkeypatch.setattr(noise, name, value)
    ends, _ = counts(grid, STEP, Traffic(), [1], np.random.default_rng(1))
    retries = ends[:, 1].sum() - 25_000
    assert retries == pytest.approx(75_000, rel=0.05)
    assert ends[4:, 1].sum() / retries == pytest.approx(1 / 16, rel=0.1)
    assert ends[:, 0].sum() == 0


def numbered() -> np.ndarray:
    """Ends of a day, with a different number in every bin."""
    return np.stack([np.arange(1, DAY_BINS + 1), np.arange(DAY_BINS) % 7], axis=1)


def test_restart_moves_ends_to_the_next_bin_and_loses_none() -> None:
    """Fails when the ends of a restart are dropped, or stay in bins without a scrape."""
    ends, traffic = numbered(), Traffic(p_missed_scrape=0.0, restarts_per_day=40.0)
    scraped = scrape((ends,), STEP, traffic, np.random.default_rng(1))
    assert (~scraped).sum() >= 20
    assert ends.sum(axis=0).tolist() == numbered().sum(axis=0).tolist()
    after = np.flatnonzero(scraped[1:] & ~scraped[:-1]) + 1
    assert (ends[after, 0] > numbered()[after, 0]).all()
    missed = np.diff(np.flatnonzero(np.concatenate(([True], scraped, [True])))) - 1
    assert set(missed) >= set(range(LONGEST_RESTART + 1))
    short = numbered()[:1]
    assert scrape((short,), 6000.0, traffic, np.random.default_rng(1)).all()
    assert short.tolist() == [[1, 0]]


def test_failed_scrape_changes_no_counts() -> None:
    ends, traffic = numbered(), Traffic(p_missed_scrape=0.1, restarts_per_day=0.0)
    scraped = scrape((ends,), STEP, traffic, np.random.default_rng(1))
    assert (ends == numbered()).all()
    # Binomial: five standard deviations of 5,760 draws at 0.1.
    assert abs((~scraped).sum() - 576) < 5 * np.sqrt(DAY_BINS * 0.1 * 0.9)


def test_retries_are_the_repeats_of_failures() -> None:
    """A failure stands for 1 + BURST_CHANCE * BURST_SIZE ends."""
    grid = np.tile(np.array([5.0, 5.0]), (BINS, 1))
    ends, repeats = counts(grid, STEP, Traffic(), [1], np.random.default_rng(1))
    assert (repeats <= ends).all()
    assert not repeats[:, 0].any()
    retries = BURST_CHANCE * BURST_SIZE
    part = repeats[:, 1].sum() / ends[:, 1].sum()
    assert part == pytest.approx(retries / (1 + retries), rel=0.05)


def test_swings_vary_periods_of_five_minutes_and_keep_the_mean() -> None:
    grid = np.tile(np.array([500.0, 0.0]), (40_000, 1))
    traffic = Traffic(burst_scale=0.0, swings=0.9)
    ends, _ = counts(grid, STEP, traffic, [1], np.random.default_rng(1))
    periods = ends[:, 0].reshape(-1, 20).sum(axis=1)
    assert periods.mean() == pytest.approx(10_000, rel=0.1)
    assert periods.std() / periods.mean() == pytest.approx(0.9, rel=0.15)
