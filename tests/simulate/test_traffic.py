"""The means of an ordinary month: rate, day and week, shares and their drift."""

import numpy as np
import pytest

from exporter.errors import ConfigError
from exporter.simulate.profiles import PROFILES, SYSTEMS, fitted, taxonomy
from exporter.simulate.scenario import MONDAY
from exporter.simulate.traffic import DAY, HOUR, Traffic
from exporter.taxonomy import Outcome

STEP = 15.0
WEEK = MONDAY + np.arange(0, 7 * DAY, STEP) + STEP / 2
CODES, SUCCESSES = ("good", "better", "bad", "worse"), (0, 1)
SHARES = {"good": 0.6, "better": 0.3, "bad": 0.08, "worse": 0.02}


def ordinary(**changes: float) -> Traffic:
    return Traffic(**{"shares": SHARES, "peak_hour": 15.0, "weekend": 0.5, **changes})  # type: ignore[arg-type]


def means(traffic: Traffic, times: np.ndarray = WEEK, seed: int = 1) -> np.ndarray:
    return traffic.means(times, STEP, CODES, SUCCESSES, np.random.default_rng(seed))


@pytest.mark.parametrize("ends_per_hour", [10.0, 1e6])
def test_a_week_has_the_ends_that_were_asked_for(ends_per_hour: float) -> None:
    total = means(ordinary(ends_per_hour=ends_per_hour)).sum()
    assert total == pytest.approx(168 * ends_per_hour, rel=1e-5)


def test_a_day_goes_from_one_to_four_with_its_peak_at_the_hour() -> None:
    times = MONDAY + np.arange(0, DAY, 60.0)
    shape = ordinary(weekend=1.0).shape(times)
    assert shape.max() / shape.min() == pytest.approx(4.0)
    assert times[shape.argmax()] - MONDAY == 15 * HOUR


def test_a_saturday_noon_has_the_weekends_part_of_a_wednesdays() -> None:
    noons = MONDAY + np.array([2, 5]) * DAY + 12 * HOUR
    wednesday, saturday = ordinary(weekend=0.35).shape(noons)
    assert saturday == pytest.approx(0.35 * wednesday)


def test_no_midnight_has_a_step() -> None:
    """Fails when a weekend day's factor begins at midnight."""
    shape = ordinary(weekend=0.35).shape(WEEK)
    assert np.abs(np.diff(np.log(shape))).max() < 0.001


def test_shares_are_the_given_ones_where_nothing_drifts() -> None:
    found = means(ordinary(drift=0.0))
    assert found / found.sum(axis=1, keepdims=True) == pytest.approx(
        np.broadcast_to(list(SHARES.values()), found.shape)
    )


def test_shares_drift_as_far_in_a_day_as_was_said_and_successes_take_the_rest() -> None:
    """Bounds: the standard deviation of 200 normal steps is within 5 of its standard errors."""
    times = MONDAY + np.array([0.0, DAY])
    steps = []
    for seed in range(200):
        found = means(ordinary(drift=0.1), times, seed)
        share = found / found.sum(axis=1, keepdims=True)
        assert share[:, 0] / share[:, 1] == pytest.approx(2.0)
        steps.append(np.log(share[1, 2] / share[0, 2]))
    assert np.std(steps) == pytest.approx(0.1, abs=5 * 0.1 / np.sqrt(2 * 200))


def test_a_share_does_not_walk_beyond_three_times_or_a_third() -> None:
    times = MONDAY + np.arange(0, 90 * DAY, HOUR)
    found = means(ordinary(drift=0.9), times)
    walked = found[:, 3] / found.sum(axis=1) / SHARES["worse"]
    assert walked.max() == pytest.approx(3.0)
    assert walked.min() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends_per_hour": 0.0}, "ends_per_hour = 0: from 0.1"),
        ({"ends_per_hour": float("nan")}, "ends_per_hour = nan"),
        ({"burst_chance": 1.5}, "burst_chance = 1.5: from 0 to 1"),
        ({"shares": {"a": 0.6, "b": 0.5}}, "at most 1 together"),
        ({"shares": {"a": -0.1}}, "at least 0 each"),
    ],
)
def test_what_can_not_be_is_said_by_name(changes: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ordinary(**changes)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_profile_has_every_code_and_85_to_93_percent_successes(system: str) -> None:
    shares = PROFILES[system].shares
    table = taxonomy(system)
    assert set(shares) == {code.code for code in (*table.codes, table.unknown)}
    assert sum(shares.values()) == pytest.approx(1.0)
    good = sum(shares[code.code] for code in table.codes if code.outcome is Outcome.SUCCESS)
    assert 0.85 <= good <= 0.93
    assert sum(share > 0 for share in shares.values()) >= 12


def test_a_profile_fills_in_only_what_was_not_given() -> None:
    own = fitted(Traffic(peak_hour=3.0), "softdrive")
    assert own.peak_hour == 3.0
    assert own.weekend == PROFILES["softdrive"].weekend
    assert own.shares == PROFILES["softdrive"].shares
    with pytest.raises(ConfigError, match="system = 'mine': one of streampixel, softdrive"):
        fitted(Traffic(), "mine")


@pytest.mark.parametrize("failing", [0.0025, 0.3, 0.0])
@pytest.mark.parametrize("system", SYSTEMS)
def test_failures_are_as_many_as_asked_for_in_the_profiles_proportion(
    system: str, failing: float
) -> None:
    usual, found = PROFILES[system].shares, fitted(Traffic(failing=failing), system).shares
    assert found is not None
    table = taxonomy(system)
    outcomes = {code.code: code.outcome for code in (*table.codes, table.unknown)}
    failed = [code for code in usual if outcomes[code] is Outcome.FAILURE]
    assert sum(found.values()) == pytest.approx(1.0)
    assert sum(found[code] for code in failed) == pytest.approx(failing)
    before = sum(usual[code] for code in failed)
    for code, share in usual.items():
        if outcomes[code] is Outcome.NEUTRAL:
            assert found[code] == share
        elif code in failed:
            assert found[code] == pytest.approx(share * failing / before)


def test_what_can_not_fail_more_is_said() -> None:
    with pytest.raises(ConfigError, match=r"failing = 0\.1: 0 of the shares fail, 1 succeed"):
        fitted(Traffic(shares={"1000": 1.0}, failing=0.1), "streampixel")
    with pytest.raises(
        ConfigError, match=r"failing = 0\.99: 0\.05\S* of the shares fail, 0\.9\d* succeed"
    ):
        fitted(Traffic(failing=0.99), "streampixel")
