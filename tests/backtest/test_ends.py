"""Ends in bins, and the counters that Prometheus would have read of them."""

import numpy as np
import pytest

from exporter.backtest.ends import Ends
from exporter.backtest.left_out import LeftOut
from exporter.errors import ConfigError
from exporter.taxonomy.loader import load
from tests.backtest.histories import START

SYSTEM = load().systems["streampixel"]
DAY = 86400.0


def ends(*times: float, code: str = "4001") -> Ends:
    made = Ends(SYSTEM)
    made.add([code] * len(times), [START + at for at in times])
    return made


def test_an_end_is_counted_at_the_first_scrape_after_it() -> None:
    made = ends(1.0, 31.0, 89.9)
    made.add(["1000"], [START + 45.0])
    counters = made.counters(LeftOut())
    assert counters is not None
    assert (counters.start, counters.step) == (START, 30)
    assert counters.codes == ("1000", "4001")
    assert counters.totals.tolist() == [[0, 0], [0, 1], [1, 2], [1, 3]]
    assert counters.present.all()


def test_the_order_of_the_events_does_not_matter() -> None:
    times = [at * 613.0 for at in range(500)]
    forward, backward = ends(*times).counters(LeftOut()), ends(*times[::-1]).counters(LeftOut())
    assert forward is not None
    assert backward is not None
    assert forward.start == backward.start
    assert np.array_equal(forward.totals, backward.totals)


def test_without_an_end_there_are_no_counters() -> None:
    assert ends().counters(LeftOut()) is None


def test_a_few_ends_far_from_all_others_are_left_out_at_both_sides_and_told() -> None:
    times = [at * 60.0 for at in range(1000)]
    left_out = LeftOut(counted=1003)
    made = ends(*times, -START, -3000 * DAY, 100 * DAY)
    counters = made.counters(left_out)
    assert counters is not None
    assert counters.start == START
    assert counters.totals[-1].tolist() == [1000]
    assert (left_out.counted, left_out.astray) == (1000, 3)
    (line,) = left_out.lines()
    assert line == (3, "far from all others (1970-01-01 to 2026-04-15), as if from a wrong clock")


def test_ends_after_a_pause_shorter_than_the_rules_memory_stay() -> None:
    left_out = LeftOut()
    counters = ends(*(at * 60.0 for at in range(1000)), 7 * DAY).counters(left_out)
    assert counters is not None
    assert counters.totals[-1].tolist() == [1001]
    assert left_out.astray == 0


def test_a_history_in_two_parts_is_no_wrong_clock() -> None:
    times = [at * 60.0 for at in range(500)]
    left_out = LeftOut()
    counters = ends(*times, *(at + 30 * DAY for at in times)).counters(left_out)
    assert counters is not None
    assert counters.totals[-1].tolist() == [1000]
    assert left_out.astray == 0


def test_a_history_that_is_too_long_is_refused_with_its_range() -> None:
    with pytest.raises(ConfigError, match="from 2026-01-05 to 2026-08-13, and at most 200 days"):
        ends(0.0, 220 * DAY).counters(LeftOut())


def test_times_of_any_day_are_refused_before_they_fill_the_memory() -> None:
    with pytest.raises(ConfigError, match="at most 200 days can be replayed"):
        ends(*(at * DAY for at in range(-10_000, 0, 10)))
