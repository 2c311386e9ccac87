"""The effect of each incident, measured at a million ends per hour with Poisson noise only."""

from functools import cache

import numpy as np
import pytest

from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import codes
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import Traffic
from exporter.taxonomy import Outcome

QUIET = Traffic(1e6, burst_scale=0.0, p_missed_scrape=0.0, restarts_per_day=0.0)
ONSET = 20 * HOUR
MINUTE = 60.0
STEP = 60.0
FIRST = int(ONSET / STEP)
# Incident, seconds from the onset, and the share of all ends that its codes have in between.
SHARES = [
    ("capacity-small", 0, 2 * HOUR, 0.05),
    ("capacity-large", 0, HOUR, 0.33),
    ("flapping", 0, 6 * MINUTE, 0.33),
    ("flapping", 6 * MINUTE, 12 * MINUTE, 0.0),
    ("flapping", 48 * MINUTE, 54 * MINUTE, 0.33),
    ("new-code", 0, 6 * HOUR, 0.01),
    ("tls-inspection", 50 * MINUTE, 70 * MINUTE, 0.025),
    ("tls-inspection", 2 * HOUR, 8 * HOUR, 0.05),
]
# Incident, seconds from the onset, and the factor of all ends at that time.
FACTORS = [
    ("stop", HOUR, 0.0),
    ("stop", 2 * HOUR, 1.0),
    ("holiday", 12 * HOUR, 0.4),
    ("holiday", 25 * HOUR, 1.0),
    ("launch-day", 7 * HOUR, 5.0),
    ("launch-day", 14.1 * HOUR, 1.0),
    ("quiet-evening", 20 * MINUTE, 0.2),
    ("quiet-evening", 4.1 * HOUR, 1.0),
]


def system_of(name: str) -> str:
    """The first system that has the incident; the effect is the same on both systems."""
    return next(iter(KINDS[name].codes))


@cache
def during(name: str) -> History:
    days = (ONSET + KINDS[name].seconds) / DAY + 0.25
    return simulate(system_of(name), QUIET, days, [(name, ONSET)], seed=3, step=STEP)


@cache
def without(name: str) -> History:
    days = len(during(name).ends) * STEP / DAY
    return simulate(system_of(name), QUIET, days, seed=3, step=STEP)


def after_onset(history: History, since: float, until: float) -> slice:
    return history.bins(history.start + ONSET + since, history.start + ONSET + until)


def successes(system: str) -> list[int]:
    outcomes = [code.outcome for code in codes(system)]
    return [column for column, outcome in enumerate(outcomes) if outcome is Outcome.SUCCESS]


@pytest.mark.parametrize(("name", "since", "until", "share"), SHARES)
def test_incident_gives_its_codes_their_share_instead_of_successes(
    name: str, since: float, until: float, share: float
) -> None:
    """Within five standard deviations of Poisson noise, shares change during the incident only."""
    history, ordinary = during(name), without(name)
    columns = [history.codes.index(code) for code in KINDS[name].codes[history.system]]
    bins = after_onset(history, since, until)
    total = history.ends[bins].sum()
    bound = 5 * np.sqrt(share * (1 - share) / total) + (0.01 if share == 0 else 0.0005)
    assert abs(history.ends[bins][:, columns].sum() / total - share) < bound
    length = KINDS[name].seconds
    for outside in (after_onset(history, -HOUR, 0), after_onset(history, length, length + HOUR)):
        expected = ordinary.expected[outside][:, columns].sum() / ordinary.expected[outside].sum()
        ends = history.ends[outside]
        assert abs(ends[:, columns].sum() / ends.sum() - expected) < 0.003
    # The number of all ends stays, and so do failures with other codes.
    others = np.setdiff1d(np.arange(len(history.codes)), [*columns, *successes(history.system)])
    for kept in (others, slice(None)):
        mean = ordinary.expected[bins][:, kept].sum()
        assert abs(history.ends[bins][:, kept].sum() - mean) < 5 * np.sqrt(mean)


@pytest.mark.parametrize(("name", "since", "factor"), FACTORS)
def test_incident_multiplies_all_ends(name: str, since: float, factor: float) -> None:
    row = FIRST + int(since / STEP)
    mean = without(name).expected[row].sum()
    ends = during(name).ends[row].sum()
    assert abs(ends - factor * mean) <= 5 * np.sqrt(factor * mean) + 0.02 * mean * (factor > 0)


def test_successes_vanish_and_failures_stay() -> None:
    history = during("successes-vanish")
    system = history.system
    bins = after_onset(history, 0, KINDS["successes-vanish"].seconds)
    ends = history.ends[:, successes(system)].sum(axis=1)
    assert not ends[bins].any()
    assert ends[bins.start - 1] > 0
    assert ends[bins.stop] > 0
    mean = np.delete(history.expected[bins], successes(system), axis=1).sum()
    assert abs(history.ends[bins].sum() - mean) < 5 * np.sqrt(mean)


def test_slow_creep_reaches_two_and_a_half_times_in_36_hours() -> None:
    history = during("slow-creep")
    column = history.codes.index(KINDS["slow-creep"].codes[history.system][0])
    for since, until, factor in (
        (-6 * HOUR, 0.0, 1.0),
        (0.0, 6 * HOUR, 1.125),
        (1.5 * DAY, 3 * DAY, 2.5),
        (3 * DAY, 3 * DAY + 6 * HOUR, 1.0),
    ):
        bins = after_onset(history, since, until)
        mean = history.expected[bins, column].sum()
        measured = history.ends[bins, column].sum() / mean
        # On the slope, the mean factor depends slightly on the time of day.
        assert abs(measured - factor) < 5 * np.sqrt(2.5 / mean) + 0.03


def test_recovery_multiplies_successes_only() -> None:
    history, ordinary = (make("recovery").expected for make in (during, without))
    success, failure = (without("recovery").codes.index(c) for c in ("1000", "1006"))
    factors = history[FIRST:, success] / ordinary[FIRST:, success]
    assert factors[[0, 15, 30]] == pytest.approx([3.0, 2.0, 1.0], abs=0.05)
    assert (history[:, failure] == ordinary[:, failure]).all()


def test_duplicate_burst_is_20_to_60_ends_within_a_minute() -> None:
    system = system_of("duplicate-burst")
    sizes = []
    for seed in range(30):
        plan = [("duplicate-burst", HOUR)]
        traffic = Traffic(10.0, burst_scale=0.0)
        burst, plain = (simulate(system, traffic, 0.1, incidents, seed) for incidents in (plan, ()))
        added = (burst.expected - plain.expected).round(9)
        (column,) = np.flatnonzero(added.sum(axis=0))
        assert (burst.codes[column],) == KINDS["duplicate-burst"].codes[system]
        bins = np.flatnonzero(added.sum(axis=1))
        assert bins[0] == HOUR / burst.step
        assert bins[-1] - bins[0] <= 3
        assert (burst.ends >= added).all()
        sizes.append(int(added.sum()))
    assert 20 <= min(sizes) < 30 < 50 < max(sizes) <= 60


def test_maintenance_adds_restarts_to_other_ends() -> None:
    history, ordinary = (make("maintenance").expected for make in (during, without))
    column = during("maintenance").codes.index("13")
    added = history - ordinary
    assert added.sum() == pytest.approx(added[FIRST : FIRST + 12, column].sum())
    assert added.sum() == pytest.approx(0.35 * ordinary[FIRST : FIRST + 12].sum())
    hour = history[FIRST : FIRST + 60]
    # Below the threshold of the overrun ticket, 15 % of the ends of an hour.
    assert 0.05 < hour[:, column].sum() / hour.sum() < 0.1


def test_clock_change_moves_every_later_day_an_hour_ahead() -> None:
    """Fails when the shift ends with the label."""
    changed, ordinary = (
        simulate("softdrive", QUIET, 4.0, plan, step=STEP).expected.sum(axis=1)
        for plan in ([("clock-change", DAY)], ())
    )
    day = int(DAY / STEP)
    assert changed[:day] == pytest.approx(ordinary[:day])
    assert changed[day:-60] == pytest.approx(ordinary[day + 60 :])


def test_slow_retries_are_an_end_every_60_to_130_seconds_and_mostly_repeats() -> None:
    system = system_of("slow-retries")
    traffic = Traffic(10.0, burst_scale=0.0)
    slow, plain = (simulate(system, traffic, 0.1, plan) for plan in ([("slow-retries", HOUR)], ()))
    added = (slow.expected - plain.expected).round(9)
    (column,) = np.flatnonzero(added.sum(axis=0))
    assert (slow.codes[column],) == KINDS["slow-retries"].codes[system]
    bins = np.flatnonzero(added[:, column])
    assert 60 - slow.step < np.diff(bins).min() * slow.step < 75
    assert 115 < np.diff(bins).max() * slow.step < 130 + slow.step
    assert HOUR <= bins[0] * slow.step < bins[-1] * slow.step < 2 * HOUR
    # One end in 15 minutes is no repeat.
    assert added.sum() - slow.repeats.sum() == 4
    assert (slow.repeats <= added).all()
    assert not plain.repeats.any()
