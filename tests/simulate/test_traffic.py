"""Traffic without incidents: rate, day and week, shares and their drift, noise, and scrapes."""

from dataclasses import replace

import numpy as np
import pytest

from exporter.errors import ConfigError
from exporter.simulate import noise, traffic
from exporter.simulate.history import DAY, HOUR
from exporter.simulate.noise import (
    BURST_CHANCE,
    BURST_SIZE,
    CODE_NOISE,
    LEVEL_NOISE,
    LONGEST_RESTART,
    counts,
    scrape,
)
from exporter.simulate.profiles import PROFILES, SYSTEMS, Profile, codes, with_failures
from exporter.simulate.scenario import MONDAY
from exporter.simulate.traffic import Traffic, load, means
from exporter.taxonomy.model import Outcome

STEP = 15.0
WEEK = MONDAY + np.arange(0, 7 * DAY, STEP) + STEP / 2
SHARES = {"good": 0.6, "better": 0.3, "bad": 0.08, "worse": 0.02}
WORKING = Profile(SHARES, peak_hour=15.0, weekend=0.35)


def sampled(times: np.ndarray = WEEK, seed: int = 1) -> np.ndarray:
    shares = np.array(list(SHARES.values()))
    return means(times, STEP, 1000.0, WORKING, shares, [0, 1], np.random.default_rng(seed))


def test_load_varies_by_the_daily_ratio_and_peaks_at_the_hour() -> None:
    times = MONDAY + np.arange(0, DAY, 60.0)
    shape = load(times, replace(WORKING, weekend=1.0))
    assert shape.max() / shape.min() == pytest.approx(4.0)
    assert times[shape.argmax()] - MONDAY == 15 * HOUR


def test_load_falls_on_weekends_without_a_step_at_midnight() -> None:
    """Fails when the factor of a weekend day starts at midnight."""
    wednesday, saturday = load(MONDAY + np.array([2, 5]) * DAY + 12 * HOUR, WORKING)
    assert saturday == pytest.approx(0.35 * wednesday)
    assert np.abs(np.diff(np.log(load(WEEK, WORKING)))).max() < 0.001


def test_drift_moves_shares_at_the_expense_of_successes() -> None:
    """The standard deviation of 200 normal steps is within five of its standard errors."""
    times = MONDAY + np.array([0.0, DAY])
    steps = []
    for seed in range(200):
        rates = sampled(times, seed)
        share = rates / rates.sum(axis=1, keepdims=True)
        assert share[:, 0] / share[:, 1] == pytest.approx(2.0)
        steps.append(np.log(share[1, 2] / share[0, 2]))
    assert np.std(steps) == pytest.approx(traffic.DRIFT, abs=5 * traffic.DRIFT / np.sqrt(2 * 200))


def test_drift_is_limited_to_three_times_or_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "DRIFT", 0.9)
    rates = sampled(MONDAY + np.arange(0, 90 * DAY, HOUR))
    relative = rates[:, 3] / rates.sum(axis=1) / SHARES["worse"]
    assert relative.max() == pytest.approx(3.0)
    assert relative.min() == pytest.approx(1 / 3)


@pytest.mark.parametrize("system", SYSTEMS)
def test_profile_has_every_code_and_85_to_93_percent_successes(system: str) -> None:
    shares = PROFILES[system].shares
    assert set(shares) == {code.code for code in codes(system)}
    assert sum(shares.values()) == pytest.approx(1.0)
    success = (code.code for code in codes(system) if code.outcome is Outcome.SUCCESS)
    assert 0.85 <= sum(shares[code] for code in success) <= 0.93
    assert sum(share > 0 for share in shares.values()) >= 12


@pytest.mark.parametrize(("system", "failing"), [("softdrive", 0.3), ("streampixel", 0.0)])
def test_profile_scales_failures_and_keeps_neutral_ends(system: str, failing: float) -> None:
    before, after = PROFILES[system].shares, with_failures(system, failing)
    failures = [code.code for code in codes(system) if code.outcome is Outcome.FAILURE]
    assert sum(after.values()) == pytest.approx(1.0)
    total = sum(before[code] for code in failures)
    for code in codes(system):
        if code.outcome is Outcome.FAILURE:
            assert after[code.code] == pytest.approx(before[code.code] * failing / total)
        if code.outcome is Outcome.NEUTRAL:
            assert after[code.code] == before[code.code]


def test_profile_refuses_more_failures_than_there_are_sessions() -> None:
    with pytest.raises(ConfigError, match=r"--failing = 0\.99: use at most 0\.958 for streampixel"):
        with_failures("streampixel", 0.99)


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
