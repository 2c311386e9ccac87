"""Whole histories, and the standard month."""

from itertools import pairwise

import numpy as np
import pytest

from exporter.simulate.history import DAY, HOUR, STEP, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, STANDARD, simulate, standard_plan
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
    history = simulate("streampixel", days=0.5, incidents=[("stop", HOUR + 4)])
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
        history = simulate(next(iter(kind.codes)), days=150 / DAY, incidents=[(name, 149.0)])
        (incident,) = history.incidents
        assert (incident.start, incident.end) == (history.end - STEP, history.end)


@pytest.fixture(scope="module", params=SYSTEMS)
def month(request: pytest.FixtureRequest) -> History:
    return simulate(request.param, Traffic(10.0), incidents=STANDARD, step=60.0)


def test_standard_month_has_incidents_eight_hours_apart(month: History) -> None:
    alerting = [incident for incident in month.incidents if incident.expects != "nothing"]
    assert 19 <= len(alerting) <= 22
    assert sum(incident.expects == "page" for incident in alerting) >= 17
    assert min(later.start - earlier.end for earlier, later in pairwise(alerting)) >= 8 * HOUR
    assert {int(incident.start % DAY // (6 * HOUR)) for incident in alerting} == {0, 1, 2, 3}
    assert sum((incident.start - MONDAY) // DAY % 7 >= 5 for incident in alerting) >= 4
    assert sum(incident.end <= MONDAY + 3 * DAY for incident in alerting) == 3
    assert all(incident.end <= month.end for incident in month.incidents)


def test_standard_month_has_every_incident_of_the_system(month: History) -> None:
    known = {name for name, kind in KINDS.items() if month.system in kind.codes}
    assert {incident.name for incident in month.incidents} == known - {"slow-retries"}


def test_recovery_follows_directly_after_a_stop() -> None:
    """Fails when the duration of a stop changes and the recovery does not move."""
    stops = {onset + KINDS["stop"].seconds for name, onset in STANDARD if name == "stop"}
    recoveries = {onset for name, onset in STANDARD if name == "recovery"}
    assert recoveries
    assert recoveries <= stops


def test_shorter_standard_run_has_the_incidents_that_end_in_time() -> None:
    """Fails when the run includes a crash loop that ends a bin after the run."""
    end = dict(reversed(STANDARD))["crash-loop"] + KINDS["crash-loop"].seconds
    for seconds, names in ((end - STEP, set()), (end, {"crash-loop"})):
        history = simulate("streampixel", days=seconds / DAY, incidents=standard_plan(seconds))
        expected = {"capacity-large", "duplicate-burst"} | names
        assert {incident.name for incident in history.incidents} == expected
