"""Whole histories: the same again for the same seed, and the standard month."""

import time
from itertools import pairwise

import numpy as np
import pytest

from exporter.errors import ConfigError
from exporter.simulate.history import STEP, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS, taxonomy
from exporter.simulate.scenario import MONDAY, STANDARD, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic

PLAN = [("capacity-large", 2 * HOUR), ("duplicate-burst", 4 * HOUR)]


def same(one: History, other: History) -> bool:
    arrays = ("ends", "expected", "scraped")
    rest = ("system", "start", "step", "codes", "incidents")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and all(
        getattr(one, name) == getattr(other, name) for name in rest
    )


def test_the_same_arguments_give_the_same_history_and_every_other_one_another() -> None:
    arguments = {"traffic": Traffic(), "days": 0.5, "incidents": PLAN, "seed": 5}
    one = simulate("streampixel", **arguments)  # type: ignore[arg-type]
    assert same(one, simulate("streampixel", **arguments))  # type: ignore[arg-type]
    for change in (
        {"seed": 6},
        {"traffic": Traffic(ends_per_hour=1001.0)},
        {"incidents": PLAN[:1]},
        {"start": MONDAY + HOUR},
    ):
        assert not same(one, simulate("streampixel", **{**arguments, **change}))  # type: ignore[arg-type]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_history_has_a_column_for_every_code_and_a_row_for_every_scrape(system: str) -> None:
    history = simulate(system, days=2)
    table = taxonomy(system)
    assert history.codes == (*(code.code for code in table.codes), "unknown")
    assert history.ends.shape == history.expected.shape == (2 * 5760, len(history.codes))
    assert history.scraped.shape == (2 * 5760,)
    assert history.end == MONDAY + 2 * DAY


@pytest.mark.parametrize("ends_per_hour", [10.0, 1000.0, 1e6])
def test_a_week_has_the_ends_of_its_rate(ends_per_hour: float) -> None:
    """Within five standard deviations: Poisson's, 2.5 times as dispersed as the failures' bursts make it at
    most, and the level's of 5 % each minute."""
    history = simulate("softdrive", Traffic(ends_per_hour=ends_per_hour), days=7)
    minutes = history.expected.reshape(-1, 4, len(history.codes)).sum(axis=(1, 2))
    deviation = np.sqrt(2.5 * minutes.sum() + (0.25**2 * minutes**2).sum())
    assert history.expected.sum() == pytest.approx(168 * ends_per_hour, rel=1e-5)
    assert abs(history.ends.sum() - 168 * ends_per_hour) < 5 * deviation


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_month_of_a_million_an_hour_takes_less_than_three_seconds(system: str) -> None:
    simulate(system, days=0.1)
    began = time.process_time()
    simulate(system, Traffic(ends_per_hour=1e6), incidents="standard")
    assert time.process_time() - began < 3


def test_expected_leaves_out_what_is_to_be_found_and_has_the_nuisances() -> None:
    first = slice(int(2 * HOUR / 15), int(2.5 * HOUR / 15))
    burst = int(4 * HOUR / 15)
    plain, both = (simulate("streampixel", days=0.5, incidents=plan) for plan in ((), PLAN))
    assert both.expected[first] == pytest.approx(plain.expected[first])
    assert (both.expected - plain.expected)[burst:].sum() >= 20


def test_incidents_begin_and_end_with_bins_and_labels_say_when() -> None:
    history = simulate("streampixel", days=0.5, incidents=[("stop", HOUR + 4)])
    (incident,) = history.incidents
    assert incident.start == MONDAY + HOUR
    assert incident.end == incident.start + KINDS["stop"].seconds
    bins = history.bins(incident.start, incident.end)
    assert (bins.start, bins.stop) == (240, 240 + KINDS["stop"].seconds / history.step)
    assert history.ends[bins].sum() == 0


def test_an_incident_in_the_last_seconds_has_the_last_bin() -> None:
    for name in KINDS:
        system = next(iter(KINDS[name].codes))
        history = simulate(system, days=15 * 10 / DAY, incidents=[(name, 149.0)])
        (incident,) = history.incidents
        assert (incident.start, incident.end) == (history.end - 15, history.end)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"incidents": [("nonsense", 0.0)]}, "incident 'nonsense': one of capacity-small, "),
        ({"incidents": [("tls-inspection", 0.0)]}, "streampixel does not have it"),
        ({"incidents": [("stop", DAY)], "days": 1}, "'stop' at 86400 s: within the 86400 s"),
        ({"incidents": [("stop", -1.0)]}, "'stop' at -1 s"),
        ({"incidents": "usual"}, "incidents = 'usual': a plan, or 'standard'"),
        ({"days": 0}, "0 days of 15 s: from 1 to"),
        ({"days": float("nan")}, "nan days"),
        ({"days": 1e9}, "days of 15 s: from 1 to"),
        ({"traffic": Traffic(shares={"01": 0.1})}, "shares of 01: no codes of streampixel"),
    ],
)
def test_what_can_not_be_simulated_is_said(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        simulate("streampixel", **arguments)  # type: ignore[arg-type]


# --- the standard month ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SYSTEMS)
def month(request: pytest.FixtureRequest) -> History:
    return simulate(request.param, Traffic(ends_per_hour=10.0), incidents="standard")


def test_the_standard_month_has_about_nineteen_incidents_eight_hours_apart(month: History) -> None:
    wanted = [one for one in month.incidents if one.expects != "nothing"]
    assert 19 <= len(wanted) <= 22
    assert sum(one.expects == "page" for one in wanted) >= 17
    gaps = [later.start - one.end for one, later in pairwise(wanted)]
    assert min(gaps) >= 8 * HOUR
    assert all(one.end <= month.end for one in month.incidents)


def test_the_standard_month_has_them_at_night_by_day_on_weekends_and_on_the_first_days(
    month: History,
) -> None:
    wanted = [one for one in month.incidents if one.expects != "nothing"]
    quarters = {int((one.start % DAY) // (6 * HOUR)) for one in wanted}
    assert quarters == {0, 1, 2, 3}
    weekend = [one for one in wanted if (one.start - MONDAY) // DAY % 7 >= 5]
    assert len(weekend) >= 4
    assert sum(one.end <= MONDAY + 3 * DAY for one in wanted) == 3


def test_the_standard_month_has_every_incident_that_the_system_has(month: History) -> None:
    available = {name for name, kind in KINDS.items() if month.system in kind.codes}
    assert {one.name for one in month.incidents} == available


def test_maintenance_is_every_night_at_three() -> None:
    nights = [onset for name, onset in STANDARD if name == "maintenance"]
    assert nights == [day * DAY + 3 * HOUR for day in range(28)]


def test_everybody_comes_back_when_a_stop_is_over() -> None:
    """Fails when a stop gets another length and the recovery behind it stays where it was."""
    stops = {onset + KINDS["stop"].seconds for name, onset in STANDARD if name == "stop"}
    recoveries = {onset for name, onset in STANDARD if name == "recovery"}
    assert recoveries
    assert recoveries <= stops


def test_a_shorter_standard_run_has_what_ends_in_time() -> None:
    """Fails when the crash loop that lasts a bin longer than the run is there, cut by that bin."""
    end = dict(reversed(STANDARD))["crash-loop"] + KINDS["crash-loop"].seconds
    history = simulate("streampixel", days=(end - STEP) / DAY, incidents="standard")
    assert {one.name for one in history.incidents} == {"capacity-large", "duplicate-burst"}
    later = simulate("streampixel", days=end / DAY, incidents="standard")
    assert {one.name for one in later.incidents} == {
        "capacity-large",
        "duplicate-burst",
        "crash-loop",
    }
