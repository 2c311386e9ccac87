"""The reported part of a replay, while the rules see the whole history."""

import numpy as np
import pytest

from exporter.backtest.counters import Counters
from exporter.backtest.replay import Replay, load_rules
from exporter.backtest.report import noise
from exporter.rule_files import folder
from exporter.taxonomy.loader import load

SYSTEM, GROUPS = load().systems["streampixel"], load_rules(folder())
HOUR = 3600.0
ROWS = 24 * 120 + 1


def replay(since: float | None = None, until: float | None = None) -> Replay:
    """A day with ten ends per 30 s and two outages: at 06:00 for half an hour, and from 23:30 on."""
    ends = np.zeros((ROWS, 2), np.int64)
    ends[1:, 0] = 10
    ends[720:780, 1] = 4
    ends[2820:, 1] = 4
    totals, present = np.cumsum(ends, axis=0), np.ones(ROWS, np.bool_)
    counters = Counters("streampixel", 0.0, 30, ("1000", "4001"), totals, present)
    result = Replay.of(SYSTEM, counters, GROUPS, since, until)
    assert result is not None
    return result


def pages(part: Replay) -> list[float]:
    """The hours in which a page began, in steps of a quarter of an hour."""
    return [
        firing.start // (HOUR / 4) / 4
        for firing in part.firings
        if firing.labels["severity"] == "page"
    ]


def test_whole_history_is_reported_by_default() -> None:
    whole = replay()
    assert pages(whole) == [6.0, 23.5]
    assert (whole.since, whole.until) == (0.0, 24 * HOUR)
    assert whole.ends() == {"1000": 28800, "4001": 484}


def test_alert_belongs_to_the_part_in_which_it_began() -> None:
    assert pages(replay(until=12 * HOUR)) == [6.0]
    assert pages(replay(since=12 * HOUR)) == [23.5]
    assert pages(replay(since=6.2 * HOUR, until=12 * HOUR)) == []
    assert replay(since=12 * HOUR, until=13 * HOUR).ends() == {"1000": 1200, "4001": 0}


def test_alert_without_an_end_lasts_until_the_end_of_the_history() -> None:
    part = replay(until=23.7 * HOUR)
    last = next(firing for firing in reversed(part.firings) if firing.labels["severity"] == "page")
    assert last.end is None
    assert part.seconds(last) == 24 * HOUR - last.start


def test_noise_of_a_code_is_its_alerts_its_share_and_their_length() -> None:
    part = replay(until=12 * HOUR)
    row = next(row for row in noise(part) if row.code)
    assert (row.system, row.code, row.pages) == ("streampixel", "4001", 1)
    assert row.name == "No Worker Node Available"
    assert row.share == pytest.approx(240 / (14390 + 240), rel=0.01)
    firings = [firing for firing in part.firings if "code" in firing.labels]
    assert row.seconds == sum(map(part.seconds, firings))
    assert row.pages + row.tickets == len(firings)
