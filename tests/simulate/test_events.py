"""Histories as events: as many, in their bins, with ids that are safe to repeat."""

import tracemalloc
from collections import Counter
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pytest

from exporter.simulate.events import REGIONS, events, merged, ndjson, timed
from exporter.simulate.history import History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS, taxonomy
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic
from exporter.taxonomy import Outcome

SEED = 3


@pytest.fixture(scope="module")
def history() -> History:
    """More ends than are drawn at a time, and a region that fails, with an hour before and after it."""
    traffic = Traffic(ends_per_hour=30_000.0)
    seconds = HOUR + KINDS["one-region"].seconds + HOUR
    return simulate("streampixel", traffic, seconds / DAY, [("one-region", HOUR)], SEED)


@pytest.fixture(scope="module")
def made(history: History) -> list[dict[str, Any]]:
    return list(events(history, SEED))


def test_there_are_as_many_of_each_code_as_ends(
    history: History, made: list[dict[str, Any]]
) -> None:
    assert len(made) > 20_000
    found = Counter(event["code"] for event in made)
    assert found == Counter(
        {
            code: int(count)
            for code, count in zip(history.codes, history.ends.sum(axis=0), strict=True)
            if count
        }
    )


def test_each_occurs_in_its_bin_and_they_come_in_order(
    history: History, made: list[dict[str, Any]]
) -> None:
    at = np.array([datetime.fromisoformat(event["occurred_at"]).timestamp() for event in made])
    assert (np.diff(at) >= 0).all()
    bins = ((at - history.start) // history.step).astype(int)
    # A time is written in milliseconds, rounded down.
    assert np.bincount(bins, minlength=len(history.ends)).tolist() == history.ends.sum(1).tolist()
    inside = (at - history.start) % history.step / history.step
    assert abs(inside.mean() - 0.5) < 5 / np.sqrt(12 * len(at))


def test_ids_are_the_same_again_and_others_for_every_other_history(
    history: History, made: list[dict[str, Any]]
) -> None:
    """Fails when ids follow from the seed alone: a server would reject the others as conflicts."""
    assert list(events(history, SEED)) == made
    ids = {event["id"] for event in made}
    assert len(ids) == len(made)
    for other in (
        events(history, SEED + 1),
        events(simulate("streampixel", Traffic(), 0.1, seed=SEED), SEED),
        events(simulate("streampixel", Traffic(), 0.1, seed=SEED, start=0.0), SEED),
        events(simulate("softdrive", Traffic(), 0.1, seed=SEED), SEED),
    ):
        found = {event["id"] for event in other}
        assert found
        assert not ids & found
        ids |= found


def test_durations_are_log_normal_about_the_outcomes_median(
    made: list[dict[str, Any]],
) -> None:
    """The logarithm's mean and deviation are within five standard errors."""
    for code, median, sigma in (("1000", 900.0, 1.0), ("4004", 1500.0, 0.6), ("1006", 300.0, 1.2)):
        logs = np.log([one["duration_seconds"] for one in made if one["code"] == code])
        assert abs(logs.mean() - np.log(median)) < 5 * sigma / np.sqrt(len(logs))
        assert abs(logs.std() - sigma) < 5 * sigma / np.sqrt(2 * len(logs))
    early = [one["duration_seconds"] for one in made if one["code"] == "4005"]
    assert 4 < np.median(early) < 9
    assert min(one["duration_seconds"] for one in made) >= 0


def test_regions_have_their_parts_and_one_fails_alone(
    history: History, made: list[dict[str, Any]]
) -> None:
    usual = Counter(one["labels"]["region"] for one in made if one["code"] == "1006")
    for region, part in REGIONS.items():
        total = usual.total()
        assert abs(usual[region] - part * total) < 5 * np.sqrt(part * (1 - part) * total)
    (incident,) = history.incidents
    assert incident.end < history.end
    failing = [
        (datetime.fromisoformat(one["occurred_at"]).timestamp(), one["labels"]["region"])
        for one in made
        if one["code"] == "4005"
    ]
    first = next(iter(REGIONS))
    assert {region for at, region in failing if incident.start <= at < incident.end} == {first}
    assert {region for at, region in failing if at < incident.start} - {first}
    assert {region for at, region in failing if at >= incident.end} - {first}


def test_undated_events_are_the_same_without_their_time(history: History) -> None:
    short = simulate("streampixel", days=0.1)
    for (at, dated), bare in zip(timed(short), events(short, dated=False), strict=True):
        assert datetime.fromisoformat(dated.pop("occurred_at")).timestamp() == pytest.approx(
            at, abs=0.001
        )
        assert bare == dated


def test_the_first_events_do_not_wait_for_all_of_them() -> None:
    """Fails when a history's ends are drawn at once: 2 million of them are 500 MB then."""
    crowded = simulate("streampixel", Traffic(ends_per_hour=2e6), HOUR / DAY, start=MONDAY + DAY)
    assert crowded.ends.sum() > 1e6 / 2
    tracemalloc.start()
    try:
        assert len(list(islice(events(crowded), 1000))) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_outcome_has_a_duration_and_codes_are_canonical(system: str) -> None:
    found = list(events(simulate(system, Traffic(ends_per_hour=20_000.0), HOUR / DAY)))
    table = taxonomy(system)
    matched = {table.match(one["code"]) for one in found}
    assert {code.outcome for code in matched} == set(Outcome)
    assert "unknown" in {code.code for code in matched}
    assert all(np.isfinite(one["duration_seconds"]) for one in found)


def test_two_systems_come_in_one_order() -> None:
    histories = [simulate(system, days=0.1) for system in SYSTEMS]
    both = list(merged(histories))
    assert [at for at, _ in both] == sorted(at for at, _ in both)
    assert {event["system"] for _, event in both} == set(SYSTEMS)
    assert len(both) == sum(history.ends.sum() for history in histories)
    lines = list(ndjson(histories))
    assert [msgspec.json.decode(line) for line in lines] == [event for _, event in both]
    assert all(line.endswith("}\n") for line in lines)
