"""Histories as events: times within their bins, and ids that allow a repeat."""

import tracemalloc
from collections import Counter
from datetime import datetime
from itertools import islice

import msgspec
import numpy as np
import pytest

from exporter.simulate.events import REGIONS, Event, events, merged, ndjson
from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import Traffic

SEED = 3


@pytest.fixture(scope="module")
def history() -> History:
    """Several chunks of events: an incident in one region, with an hour before and after it."""
    days = 3.5 * HOUR / DAY
    return simulate("streampixel", Traffic(10_000.0), days, [("one-region", HOUR)], SEED)


@pytest.fixture(scope="module")
def made(history: History) -> list[Event]:
    return [msgspec.json.decode(line) for line in ndjson([history], SEED)]


def occurred(event: Event) -> float:
    return datetime.fromisoformat(event["occurred_at"]).timestamp()


def test_events_are_as_many_per_code_and_bin_as_ends(history: History, made: list[Event]) -> None:
    assert len(made) > 20_000
    counts = Counter(event["code"] for event in made)
    assert [counts[code] for code in history.codes] == history.ends.sum(axis=0).tolist()
    times = np.array([occurred(event) for event in made])
    assert (np.diff(times) >= 0).all()
    bins = ((times - history.start) // history.step).astype(int)
    # A time is written in milliseconds, rounded down.
    assert np.bincount(bins, minlength=len(history.ends)).tolist() == history.ends.sum(1).tolist()
    inside = (times - history.start) % history.step / history.step
    assert abs(inside.mean() - 0.5) < 5 / np.sqrt(12 * len(times))


def test_ids_repeat_for_a_seed_and_differ_for_other_histories(
    history: History, made: list[Event]
) -> None:
    """Fails when ids depend only on the seed: a server would reject events of other histories as
    conflicts."""
    assert [msgspec.json.decode(line) for line in ndjson([history], SEED)] == made
    ids = {event["id"] for event in made}
    assert len(ids) == len(made)
    for other in (
        events(history, SEED + 1),
        events(simulate("streampixel", Traffic(), 0.1, seed=SEED), SEED),
        events(simulate("streampixel", Traffic(), 0.1, seed=SEED, start=0.0), SEED),
        events(simulate("softdrive", Traffic(), 0.1, seed=SEED), SEED),
    ):
        others = {event["id"] for _, event in other}
        assert others
        assert not ids & others
        ids |= others


def test_durations_are_log_normal_around_the_median_of_the_outcome(made: list[Event]) -> None:
    """Mean and deviation of the logarithm are within five standard errors."""
    for code, median, sigma in (("1000", 900.0, 1.0), ("4004", 1500.0, 0.6), ("1006", 300.0, 1.2)):
        logs = np.log([event["duration_seconds"] for event in made if event["code"] == code])
        assert abs(logs.mean() - np.log(median)) < 5 * sigma / np.sqrt(len(logs))
        assert abs(logs.std() - sigma) < 5 * sigma / np.sqrt(2 * len(logs))
    early = [event["duration_seconds"] for event in made if event["code"] == "4005"]
    assert 4 < np.median(early) < 9
    assert min(event["duration_seconds"] for event in made) >= 0


def test_regions_have_their_shares_and_one_fails_alone(history: History, made: list[Event]) -> None:
    normal = Counter(event["labels"]["region"] for event in made if event["code"] == "1006")
    for region, share in REGIONS.items():
        total = normal.total()
        assert abs(normal[region] - share * total) < 5 * np.sqrt(share * (1 - share) * total)
    (incident,) = history.incidents
    during, otherwise = set(), set()
    for event in made:
        if event["code"] == "4005":
            inside = incident.start <= occurred(event) < incident.end
            (during if inside else otherwise).add(event["labels"]["region"])
    assert during == {"eu-west"}
    assert otherwise == set(REGIONS)


def test_first_events_need_little_memory() -> None:
    """Fails when all ends of a history are drawn at once: 2 million take 500 MB."""
    crowded = simulate("streampixel", Traffic(2e6), HOUR / DAY, start=MONDAY + DAY)
    assert crowded.ends.sum() > 1e6 / 2
    tracemalloc.start()
    try:
        assert len(list(islice(events(crowded), 1000))) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_merged_events_of_two_systems_are_in_order() -> None:
    histories = [simulate(system, Traffic(), days=0.1) for system in SYSTEMS]
    both = list(merged(histories))
    assert [time for time, _ in both] == sorted(time for time, _ in both)
    assert {event["system"] for _, event in both} == set(SYSTEMS)
    assert len(both) == sum(history.ends.sum() for history in histories)
    for (time, event), line in zip(both, map(msgspec.json.decode, ndjson(histories)), strict=True):
        assert event | {"occurred_at": line["occurred_at"]} == line
        assert occurred(line) == pytest.approx(time, abs=0.001)
