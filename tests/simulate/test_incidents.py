"""Each incident raises what it says. Measured at a million ends an hour in Poisson noise alone."""

from functools import cache
from types import MappingProxyType

import numpy as np
import pytest

from exporter.simulate.history import History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS, taxonomy
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic
from exporter.taxonomy import Outcome

QUIET = Traffic(ends_per_hour=1e6, burst_scale=0.0, p_missed_scrape=0.0, restarts_per_day=0.0)
ONSET = 20 * HOUR
MINUTE = 60.0
STEP = 60.0

TAKEN = MappingProxyType(
    {
        "capacity-small": 0.05,
        "capacity-medium": 0.10,
        "capacity-large": 0.33,
        "crash-loop": 0.07,
        "one-region": 1 / 3,
        "new-code": 0.01,
        "maintenance-overrun": 0.33,
    }
)
"""The share of all ends that an incident's codes have from its start to its end."""
OTHERS = {
    "flapping",
    "stop",
    "successes-vanish",
    "slow-creep",
    "tls-inspection",
    "recovery",
    "holiday",
    "launch-day",
    "quiet-evening",
    "duplicate-burst",
    "maintenance",
    "clock-change",
}
"""The incidents that have a test of their own."""


@cache
def during(name: str, system: str) -> History:
    days = (ONSET + KINDS[name].seconds) / DAY + 0.25
    return simulate(system, QUIET, days, [(name, ONSET)], seed=3, step=STEP)


@cache
def without(name: str, system: str) -> History:
    return simulate(system, QUIET, len(during(name, system).ends) * STEP / DAY, seed=3, step=STEP)


def share(history: History, codes: tuple[str, ...], since: float, until: float) -> float:
    """Of all ends from `since` to `until`, seconds after the onset."""
    begin = history.start + ONSET
    ends = history.ends[history.bins(begin + since, begin + until)]
    return float(ends[:, [history.codes.index(code) for code in codes]].sum() / ends.sum())


def throughout(name: str, history: History) -> slice:
    """The bins from the onset to the incident's end, of which there are as many as it lasts minutes."""
    begin = history.start + ONSET
    bins = history.bins(begin, begin + KINDS[name].seconds)
    assert (bins.stop - bins.start) * STEP == KINDS[name].seconds
    return bins


def bound(history: History, expected: float, since: float, until: float) -> float:
    """Five standard deviations of a share in Poisson noise."""
    begin = history.start + ONSET
    ends = history.ends[history.bins(begin + since, begin + until)].sum()
    return float(5 * np.sqrt(expected * (1 - expected) / ends))


def of_outcome(system: str, *outcomes: Outcome) -> tuple[str, ...]:
    table = taxonomy(system)
    return tuple(code.code for code in (*table.codes, table.unknown) if code.outcome in outcomes)


def cases(name: str) -> list[tuple[str, str]]:
    return [(name, system) for system in SYSTEMS if system in KINDS[name].codes]


def test_every_incident_is_measured_here() -> None:
    assert set(TAKEN) | OTHERS == set(KINDS)
    assert not set(TAKEN) & OTHERS


@pytest.mark.parametrize(("name", "system"), [one for name in TAKEN for one in cases(name)])
def test_the_codes_have_their_share_from_start_to_end_instead_of_successes(
    name: str, system: str
) -> None:
    history, kind = during(name, system), KINDS[name]
    codes, length = kind.codes[system], kind.seconds
    found = share(history, codes, 0, length)
    assert abs(found - TAKEN[name]) < bound(history, TAKEN[name], 0, length)
    usual = share(without(name, system), codes, 0, length)
    for since, until in ((-HOUR, 0), (length, length + HOUR)):
        assert abs(share(history, codes, since, until) - usual) < 0.003
    # The number of ends is the same, so are the failures of all other codes.
    others = [
        at
        for at, code in enumerate(history.codes)
        if code not in (*codes, *of_outcome(system, Outcome.SUCCESS))
    ]
    bins = history.bins(history.start + ONSET, history.start + ONSET + length)
    for columns in (others, slice(None)):
        mean = without(name, system).expected[bins][:, columns].sum()
        assert abs(history.ends[bins][:, columns].sum() - mean) < 5 * np.sqrt(mean)


@pytest.mark.parametrize(("name", "system"), cases("flapping"))
def test_flapping_goes_on_and_off_every_six_minutes(name: str, system: str) -> None:
    history = during(name, system)
    codes = KINDS[name].codes[system]
    (incident,) = history.incidents
    assert incident.flapping
    for number in range(10):
        since, until = number * 6 * MINUTE, (number + 1) * 6 * MINUTE
        found = share(history, codes, since, until)
        if number % 2:
            assert found < 0.01
        else:
            assert abs(found - 0.33) < bound(history, 0.33, since, until)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_stop_leaves_nothing_and_ends(system: str) -> None:
    history = during("stop", system)
    minutes = history.ends.sum(axis=1)
    bins = throughout("stop", history)
    assert not minutes[bins].any()
    assert minutes[bins.start - 1] > 0
    assert minutes[bins.stop] > 0


@pytest.mark.parametrize("system", SYSTEMS)
def test_successes_vanish_and_failures_stay(system: str) -> None:
    history = during("successes-vanish", system)
    bins = throughout("successes-vanish", history)
    good = [history.codes.index(code) for code in of_outcome(system, Outcome.SUCCESS)]
    successes = history.ends[:, good].sum(axis=1)
    assert not successes[bins].any()
    assert successes[bins.start - 1] > 0
    assert successes[bins.stop] > 0
    mean = np.delete(history.expected[bins], good, axis=1).sum()
    assert abs(history.ends[bins].sum() - mean) < 5 * np.sqrt(mean)


@pytest.mark.parametrize(("name", "system"), cases("slow-creep"))
def test_a_creep_takes_a_day_and_a_half_to_two_and_a_half_times(name: str, system: str) -> None:
    history = during(name, system)
    column = history.codes.index(KINDS[name].codes[system][0])

    def factor(since: float, until: float) -> tuple[float, float]:
        begin = history.start + ONSET
        bins = history.bins(begin + since, begin + until)
        mean = history.expected[bins, column].sum()
        return history.ends[bins, column].sum() / mean, 5 * np.sqrt(2.5 / mean)

    for since, until, wanted in (
        (-6 * HOUR, 0.0, 1.0),
        (0.0, 6 * HOUR, 1.125),
        (1.5 * DAY, 3 * DAY, 2.5),
        (3 * DAY, 3 * DAY + 6 * HOUR, 1.0),
    ):
        found, slack = factor(since, until)
        # On the slope the mean factor depends a little on the day's shape.
        assert abs(found - wanted) < slack + 0.03


def test_tls_inspection_spreads_over_two_hours_to_five_percent() -> None:
    history, codes = during("tls-inspection", "softdrive"), ("01",)
    assert share(history, codes, -HOUR, 0) < 0.001
    early = share(history, codes, 50 * MINUTE, 70 * MINUTE)
    assert abs(early - 0.025) < 0.0005 + bound(history, 0.025, 50 * MINUTE, 70 * MINUTE)
    late = share(history, codes, 2 * HOUR, 8 * HOUR)
    assert abs(late - 0.05) < bound(history, 0.05, 2 * HOUR, 8 * HOUR)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_new_code_was_never_seen_before(system: str) -> None:
    history = during("new-code", system)
    column = history.codes.index(KINDS["new-code"].codes[system][0])
    before = history.bins(history.start, history.start + ONSET)
    assert history.ends[before, column].sum() == 0


def test_what_lasts_longer_than_the_history_is_cut_and_keeps_its_pace() -> None:
    whole = during("slow-creep", "streampixel")
    cut = simulate(
        "streampixel", QUIET, (ONSET + HOUR) / DAY, [("slow-creep", ONSET)], seed=3, step=STEP
    )
    assert cut.incidents[0].end == cut.end
    column = cut.codes.index("1006")
    both = [
        one.ends[-60 if one is cut else 1200 : None if one is cut else 1260] for one in (cut, whole)
    ]
    slack = 5 * np.sqrt(2 * both[1][:, column].sum())
    assert abs(both[0][:, column].sum() - both[1][:, column].sum()) < slack


# --- nuisances: they are in `expected`, so nothing is drawn ------------------------------------------


def factors(name: str, system: str) -> np.ndarray:
    """(bins,): by how much a nuisance changes all ends, from its start on."""
    with_it = during(name, system).expected.sum(axis=1)
    ordinary = without(name, system).expected.sum(axis=1)
    assert with_it[: int(ONSET / STEP)] == pytest.approx(ordinary[: int(ONSET / STEP)])
    return (with_it / ordinary)[int(ONSET / STEP) :]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("name", "at", "factor"),
    [
        ("holiday", 12 * HOUR, 0.4),
        ("holiday", 25 * HOUR, 1.0),
        ("launch-day", 7 * HOUR, 5.0),
        ("launch-day", 3.5 * HOUR, 3.0),
        ("launch-day", 14.1 * HOUR, 1.0),
        ("quiet-evening", 20 * MINUTE, 0.2),
        ("quiet-evening", 4.1 * HOUR, 1.0),
    ],
)
def test_traffic_is_so_many_times_the_usual(
    name: str, at: float, factor: float, system: str
) -> None:
    assert factors(name, system)[int(at / STEP)] == pytest.approx(factor, abs=0.02)


@pytest.mark.parametrize("name", ["holiday", "launch-day", "quiet-evening"])
def test_traffic_goes_there_and_back_without_a_step(name: str) -> None:
    """No faster than the quarter of an hour of a quiet evening: 0.8 / 15 in a minute."""
    assert np.abs(np.diff(factors(name, "streampixel"))).max() < 0.06


def test_successes_catch_up_after_an_outage_and_failures_do_not() -> None:
    history, ordinary = during("recovery", "streampixel"), without("recovery", "streampixel")
    ratio = np.divide(
        history.expected,
        ordinary.expected,
        where=ordinary.expected > 0,
        out=np.ones_like(history.expected),
    )[int(ONSET / STEP) :]
    good = history.codes.index("1000")
    assert ratio[0, good] == pytest.approx(3.0, abs=0.05)
    assert ratio[15, good] == pytest.approx(2.0, abs=0.05)
    assert ratio[30, good] == 1.0
    assert (ratio[:, history.codes.index("1006")] == 1.0).all()


@pytest.mark.parametrize(("name", "system"), cases("duplicate-burst"))
def test_a_duplicate_burst_is_20_to_60_ends_of_one_code_within_a_minute(
    name: str, system: str
) -> None:
    (code,) = KINDS[name].codes[system]
    found = set()
    for seed in range(30):
        plan = [(name, HOUR)]
        traffic = Traffic(ends_per_hour=10.0, burst_scale=0.0)
        one = simulate(system, traffic, 0.1, plan, seed)
        plain = simulate(system, traffic, 0.1, (), seed)
        added = (one.expected - plain.expected).round(9)
        assert added.sum() == added[:, one.codes.index(code)].sum()
        bins = np.flatnonzero(added.sum(axis=1))
        assert bins[0] == HOUR / one.step
        assert bins[-1] - bins[0] <= 3
        assert (one.ends >= added).all()
        found.add(int(added.sum()))
    assert 20 <= min(found) < 30 < 50 < max(found) <= 60


def test_maintenance_is_restarts_on_top_of_all_others_and_below_what_a_ticket_wants() -> None:
    history, ordinary = (one("maintenance", "softdrive") for one in (during, without))
    begin = int(ONSET / STEP)
    column = history.codes.index("13")
    added = history.expected - ordinary.expected
    assert added[begin : begin + 12].sum() == pytest.approx(
        0.35 * ordinary.expected[begin : begin + 12].sum()
    )
    assert added.sum() == pytest.approx(added[begin : begin + 12, column].sum())
    hour = history.expected[begin : begin + 60]
    # The policy's ticket for a planned code begins at 15 % of an hour's ends.
    assert 0.05 < hour[:, column].sum() / hour.sum() < 0.1


def test_a_clock_change_moves_every_later_day_an_hour_ahead() -> None:
    """Fails when the shift ends with the label."""
    days = 4.0
    changed, usual = (
        simulate("softdrive", QUIET, days, plan, step=STEP).expected.sum(axis=1)
        for plan in ([("clock-change", DAY)], ())
    )
    day = int(DAY / STEP)
    assert changed[:day] == pytest.approx(usual[:day])
    assert changed[day:-60] == pytest.approx(usual[day + 60 :])
