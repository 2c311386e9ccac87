"""Session ends grouped into bins, and the counters made from the bins."""

import pytest

from exporter.backtest.counters import Ends
from exporter.backtest.event_counts import EventCounts
from exporter.errors import ConfigError
from exporter.taxonomy.loader import load
from tests.backtest.histories import START

SYSTEM = load().systems["streampixel"]
DAY = 86400.0


def ends(*times: float, code: str = "4001") -> Ends:
    counted = Ends(SYSTEM)
    counted.add([code] * len(times), [START + at for at in times])
    return counted


def test_end_is_counted_at_the_first_scrape_after_it() -> None:
    counted = ends(89.9, 1.0, 31.0)
    counted.add(["1000"], [START + 45.0])
    counters = counted.counters(EventCounts())
    assert counters is not None
    assert (counters.start, counters.step, counters.end) == (START, 30, START + 90)
    assert counters.codes == ("1000", "4001")
    assert counters.totals.tolist() == [[0, 0], [0, 1], [1, 2], [1, 3]]
    assert counters.present.all()
    assert ends().counters(EventCounts()) is None


def test_few_ends_far_from_all_others_are_removed() -> None:
    events = EventCounts(counted=1003)
    times = [at * 60.0 for at in range(1000)]
    counted = ends(*times, -START, -3000 * DAY)
    counted.add(["1000"], [START + 100 * DAY])
    counters = counted.counters(events)
    assert counters is not None
    assert counters.start == START
    assert counters.codes == ("4001",)
    assert counters.totals[-1].tolist() == [1000]
    assert events.counted == 1000
    reason = "far from all others (1970-01-01 to 2026-04-15): a wrong clock?"
    assert list(events.skipped()) == [(3, reason)]


@pytest.mark.parametrize(
    "later", [[7 * DAY], [30 * DAY + at * 60.0 for at in range(500)]], ids=["short gap", "many"]
)
def test_ends_after_a_gap_remain(later: list[float]) -> None:
    """The gap is shorter than the memory of the rules, or many ends follow it."""
    events = EventCounts()
    counters = ends(*(at * 60.0 for at in range(1000)), *later).counters(events)
    assert counters is not None
    assert counters.totals[-1].tolist() == [1000 + len(later)]
    assert events.outliers == 0


def test_too_long_history_is_refused_with_its_dates() -> None:
    with pytest.raises(ConfigError, match="from 2026-01-05 to 2026-08-13, and at most 200 days"):
        ends(0.0, 220 * DAY).counters(EventCounts())


def test_times_on_many_days_far_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 200 days can be replayed"):
        ends(*(at * DAY for at in range(-10_000, 0, 10))).counters(EventCounts())
