"""A part of a replay: what is reported, while the rules have seen all."""

import numpy as np
import pytest

from exporter.backtest.counters import Counters
from exporter.backtest.noise import noise
from exporter.backtest.replay import Replay
from exporter.backtest.rules import load as load_rules
from exporter.rule_files import folder
from exporter.taxonomy.loader import load

SYSTEM, GROUPS = load().systems["streampixel"], load_rules(folder())
HOUR = 3600.0
ROWS = 24 * 120 + 1


def replay(since: float | None = None, until: float | None = None) -> Replay | None:
    """A day with ten ends a half-minute and two outages: from 06:00 for half an hour, and from 23:30 on."""
    ends = np.zeros((ROWS, 2), np.int64)
    ends[1:, 0] = 10
    ends[720:780, 1] = 4
    ends[2820:, 1] = 4
    counters = Counters(
        "streampixel",
        0.0,
        30,
        ("1000", "4001"),
        np.cumsum(ends, axis=0),
        np.ones(ROWS, np.bool_),
    )
    return Replay.of(SYSTEM, counters, GROUPS, since, until)


def pages(found: Replay | None) -> list[float]:
    """The hours in which a page began, a quarter of an hour a step."""
    assert found is not None
    return [
        one.start // (HOUR / 4) / 4 for one in found.firings if one.labels["severity"] == "page"
    ]


def test_all_of_a_history_is_reported_when_nothing_else_is_asked_for() -> None:
    found = replay()
    assert found is not None
    assert pages(found) == [6.0, 23.5]
    assert (found.since, found.until) == (0.0, 24 * HOUR)
    assert found.ends() == {"1000": 28800, "4001": 484}
    assert found.months() == pytest.approx(1 / 30)


def test_an_alert_belongs_to_the_part_that_it_began_in() -> None:
    assert pages(replay(until=12 * HOUR)) == [6.0]
    assert pages(replay(since=12 * HOUR)) == [23.5]
    assert pages(replay(since=6.2 * HOUR, until=12 * HOUR)) == []


def test_ends_are_those_of_the_part() -> None:
    found = replay(since=12 * HOUR, until=13 * HOUR)
    assert found is not None
    assert found.ends() == {"1000": 1200, "4001": 0}


def test_a_part_outside_the_history_is_none() -> None:
    assert replay(since=24 * HOUR) is None
    assert replay(until=0.0) is None


def test_an_alert_that_fires_still_lasted_until_the_end() -> None:
    found = replay(until=23.7 * HOUR)
    assert found is not None
    last = next(one for one in reversed(found.firings) if one.labels["severity"] == "page")
    assert last.end is None
    assert found.seconds(last) == 24 * HOUR - last.start


def test_a_codes_noise_is_its_alerts_its_share_and_its_time() -> None:
    found = replay(until=12 * HOUR)
    assert found is not None
    row = next(row for row in noise(found) if row.code)
    assert (row.system, row.code, row.pages) == ("streampixel", "4001", 1)
    assert row.name == "No Worker Node Available"
    assert row.share == pytest.approx(240 / (14390 + 240), rel=0.01)
    own = [one for one in found.firings if "code" in one.labels]
    assert row.seconds == sum(map(found.seconds, own))
    assert row.pages + row.tickets == len(own)
