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
DAY_BINS = 5760


def drawn(successes: float, failures: float, traffic: Traffic) -> tuple[np.ndarray, np.ndarray]:
    """(minutes, 2): ends and repeats, of which bins have these means; only failures are retried."""
    grid = np.tile(np.array([successes, failures]), (BINS, 1))
    drawn = counts(grid, STEP, traffic, [1], np.random.default_rng(1))
    ends, repeats = (part.reshape(-1, 4, 2).sum(axis=1) for part in drawn)
    return ends, repeats


@pytest.mark.parametrize("burst_scale", [0.0, 1.0, 1.5])
def test_counts_keep_the_mean_and_vary_with_noise_and_retries(burst_scale: float) -> None:
    """By the law of total variance: Poisson, times a gamma factor per minute.

    A failed first attempt stands for 1 + B * G ends: B Bernoulli(chance), G geometric with mean m,
    E[G²] = m + 2m². Retries in the next minutes lower the variance of a minute.
    """
    ends, repeats = drawn(10.0, 2.0, Traffic(burst_scale=burst_scale))
    assert ends.mean(axis=0) == pytest.approx([40.0, 8.0], rel=0.02)
    level, code = (LEVEL_NOISE * burst_scale) ** 2, (CODE_NOISE * burst_scale) ** 2
    chance, m = BURST_CHANCE, BURST_SIZE * burst_scale
    attempt = (1 + 2 * chance * m + chance * (m + 2 * m**2)) / (1 + chance * m)
    gamma = (level + code + level * code) * np.array([40.0, 8.0])
    expected = gamma + np.array([1, attempt])
    assert ends.var(axis=0) / ends.mean(axis=0) == pytest.approx(expected, rel=0.2)
    assert repeats[:, 0].sum() == 0
    part = chance * m / (1 + chance * m)
    assert repeats[:, 1].sum() / ends[:, 1].sum() == pytest.approx(part, rel=0.05)


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


def test_swings_vary_periods_of_five_minutes_and_keep_the_mean() -> None:
    ends, _ = drawn(500.0, 0.0, Traffic(burst_scale=0.0, swings=0.9))
    periods = ends[:, 0].reshape(-1, 5).sum(axis=1)
    assert periods.mean() == pytest.approx(10_000, rel=0.1)
    assert periods.std() / periods.mean() == pytest.approx(0.9, rel=0.15)
