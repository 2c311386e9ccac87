"""Whole histories."""

import numpy as np
import pytest

from exporter.simulate.history import DAY, HOUR, STEP
from exporter.simulate.incidents import KINDS
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import Traffic

PLAN = [("capacity-large", 2 * HOUR), ("duplicate-burst", 4 * HOUR)]


def test_week_has_the_ends_of_its_rate() -> None:
    """Within five standard deviations: Poisson's, times 2.5 for bursts, and 5 % of level noise."""
    ends_per_hour = 1e6
    history = simulate("softdrive", Traffic(ends_per_hour), days=7)
    minutes = history.expected.reshape(-1, 4, len(history.codes)).sum(axis=(1, 2))
    deviation = np.sqrt(2.5 * minutes.sum() + (0.25**2 * minutes**2).sum())
    assert history.expected.sum() == pytest.approx(168 * ends_per_hour, rel=1e-5)
    assert abs(history.ends.sum() - 168 * ends_per_hour) < 5 * deviation
    assert 0 < history.repeats.sum() < 0.02 * history.ends.sum()


def test_expected_includes_nuisances_and_excludes_other_incidents() -> None:
    plain, both = (
        simulate("streampixel", Traffic(burst_scale=0.0), days=0.5, incidents=plan)
        for plan in ((), PLAN)
    )
    outage = both.bins(MONDAY + 2 * HOUR, MONDAY + 3 * HOUR)
    assert both.expected[outage] == pytest.approx(plain.expected[outage])
    burst = (both.expected - plain.expected).round()
    assert burst[outage.stop :].sum() == burst.sum() >= 20
    assert (both.ends >= burst).all()
    assert (both.repeats.sum(), plain.repeats.sum()) == (burst.sum() - 1, 0)


def test_incident_starts_and_ends_with_a_bin() -> None:
    history = simulate("streampixel", Traffic(), days=0.5, incidents=[("stop", HOUR + 4)])
    (incident,) = history.incidents
    assert (incident.start, incident.end) == (MONDAY + HOUR, MONDAY + 3 * HOUR)
    assert (len(history.ends), history.end) == (2880, MONDAY + DAY / 2)
    bins = history.bins(incident.start, incident.end)
    assert (bins.start, bins.stop) == (240, 720)
    assert history.ends[bins].sum() == 0


def test_clock_change_moves_every_later_day_an_hour_ahead() -> None:
    """Fails when the shift ends with the label."""
    changed, ordinary = (
        simulate("softdrive", Traffic(1e6), 4.0, plan, step=60.0).expected.sum(axis=1)
        for plan in ([("clock-change", DAY)], ())
    )
    assert changed[:1440] == pytest.approx(ordinary[:1440])
    assert changed[1440:-60] == pytest.approx(ordinary[1500:])


def test_every_incident_can_start_in_the_last_bin() -> None:
    for name, kind in KINDS.items():
        history = simulate(
            next(iter(kind.codes)), Traffic(), days=150 / DAY, incidents=[(name, 149.0)]
        )
        (incident,) = history.incidents
        assert (incident.start, incident.end) == (history.end - STEP, history.end)
