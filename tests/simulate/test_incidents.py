"""The effect of each incident on bins with constant rates."""

import numpy as np
import pytest

from exporter.simulate.history import DAY, HOUR
from exporter.simulate.incidents import KINDS, Window

STEP = 15.0
MINUTE = 60.0
GOOD, BETTER, OWN, OTHER = range(4)
"""Columns: two successes, the incident's code and another failure."""
RATES = (60.0, 30.0, 0.5, 9.5)


def window(
    rates: tuple[float, ...] = RATES,
    length: float = 4 * STEP,
    codes: tuple[int, ...] = (OWN,),
    seed: int = 1,
) -> Window:
    """The bins of an incident. The load doubles each hour."""
    seconds = np.arange(0.5, length / STEP) * STEP
    grid = np.tile(np.array(rates, np.float64), (len(seconds), 1))
    return Window(
        times=1e9 + seconds,
        seconds=seconds,
        step=STEP,
        length=length,
        rates=grid,
        exact=np.zeros(grid.shape, dtype=np.int64),
        repeats=np.zeros(grid.shape, dtype=np.int64),
        codes=codes,
        successes=(GOOD, BETTER),
        load=lambda at: 2 ** ((at - 1e9) / HOUR),
        random=np.random.default_rng(seed),
    )


def during(name: str, seed: int = 1) -> Window:
    changed = window(length=KINDS[name].seconds, seed=seed)
    KINDS[name].effect(changed)
    return changed


@pytest.mark.parametrize(
    ("before", "codes", "share", "after"),
    [
        ((60, 30, 4, 6), (2,), 0.34, (40, 20, 34, 6)),
        ((60, 30, 4, 6), (2, 3), 0.4, (40, 20, 19, 21)),
        ((60, 30, 4, 6), (2,), 0.01, (60, 30, 4, 6)),
        ((6, 3, 1, 90), (2,), 0.5, (0, 0, 10, 90)),
        ((0, 0, 0, 0), (2,), 0.5, (0, 0, 0, 0)),
    ],
    ids=["proportional", "two codes", "higher already", "few successes", "no traffic"],
)
def test_set_share_replaces_successes(
    before: tuple[float, ...], codes: tuple[int, ...], share: float, after: tuple[float, ...]
) -> None:
    changed = window(before, codes=codes)
    changed.set_share(share)
    assert changed.rates[0] == pytest.approx(after)


@pytest.mark.parametrize(
    ("name", "after", "share"),
    [
        ("capacity-small", 0, 0.05),
        ("capacity-medium", 0, 0.10),
        ("capacity-large", 0, 0.33),
        ("crash-loop", 0, 0.07),
        ("one-region", 0, 1 / 3),
        ("new-code", 0, 0.01),
        ("maintenance-overrun", 0, 0.33),
        ("flapping", 5.9 * MINUTE, 0.33),
        ("flapping", 6.1 * MINUTE, 0.005),
        ("flapping", 48.1 * MINUTE, 0.33),
        ("tls-inspection", HOUR, 0.025),
        ("tls-inspection", 2 * HOUR, 0.05),
        ("slow-creep", 3 * HOUR, 0.005 * 1.125),
        ("slow-creep", 1.5 * DAY, 0.005 * 2.5),
    ],
)
def test_incident_gives_its_code_a_share_instead_of_successes(
    name: str, after: float, share: float
) -> None:
    rates = during(name).rates
    assert rates[int(after / STEP), OWN] == pytest.approx(100 * share, rel=0.01)
    assert rates.sum(axis=1) == pytest.approx(100)
    assert (rates[:, OTHER] == RATES[OTHER]).all()


@pytest.mark.parametrize(
    ("name", "after", "factor"),
    [
        ("stop", 0, 0.0),
        ("holiday", HOUR / 2, 0.7),
        ("holiday", 12 * HOUR, 0.4),
        ("launch-day", 7 * HOUR, 5.0),
        ("launch-day", 0, 1.0),
        ("quiet-evening", 20 * MINUTE, 0.2),
        ("quiet-evening", 4 * HOUR - STEP, 1.0),
        # The load of an hour later.
        ("clock-change", 0, 2.0),
    ],
)
def test_incident_multiplies_all_ends(name: str, after: float, factor: float) -> None:
    rates = during(name).rates[int(after / STEP)]
    assert rates == pytest.approx(factor * np.array(RATES), rel=0.02)


@pytest.mark.parametrize(
    ("name", "after", "factor"),
    [
        ("successes-vanish", 0, 0.0),
        ("successes-vanish", HOUR, 0.0),
        ("recovery", 0, 3.0),
        ("recovery", 15 * MINUTE, 2.0),
        ("recovery", 30 * MINUTE - STEP, 1.0),
    ],
)
def test_incident_multiplies_successes_only(name: str, after: float, factor: float) -> None:
    rates = during(name).rates
    assert rates[int(after / STEP), :OWN] == pytest.approx(factor * np.array(RATES[:OWN]), rel=0.01)
    assert (rates[:, OWN:] == RATES[OWN:]).all()


def test_maintenance_adds_restarts_to_other_ends() -> None:
    changed = during("maintenance").rates
    assert changed[0] == pytest.approx([60, 30, 0.5 + 0.35 * 100, 9.5])


def test_duplicate_burst_is_20_to_60_ends_of_a_user_within_a_minute() -> None:
    bursts = [during("duplicate-burst", seed) for seed in range(30)]
    sizes = [burst.exact[:4].sum() for burst in bursts]
    assert sizes == [burst.exact[:, OWN].sum() for burst in bursts]
    assert 20 <= min(sizes) < 30 < 50 < max(sizes) <= 60
    assert [burst.repeats.sum() for burst in bursts] == [size - 1 for size in sizes]


def test_slow_retries_are_an_end_every_60_to_130_seconds_and_mostly_repeats() -> None:
    changed = during("slow-retries")
    assert changed.exact.sum() == changed.exact[:, OWN].sum()
    gaps = np.diff(np.flatnonzero(changed.exact[:, OWN])) * STEP
    assert 60 - STEP < gaps.min() < 75
    assert 115 < gaps.max() < 130 + STEP
    # One end in 15 minutes is no repeat.
    assert changed.exact.sum() - changed.repeats.sum() == 4
    assert (changed.repeats <= changed.exact).all()
