"""A history as events of the ingest contract."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from exporter.simulate.history import History
from exporter.simulate.incidents import ONE_REGION
from exporter.simulate.profiles import codes
from exporter.taxonomy.model import Code, Outcome, Phase

Event = dict[str, Any]
Timed = tuple[float, Event]
"""Unix seconds of simulated time, and the event."""
REGIONS: Final[Mapping[str, float]] = {"eu-west": 1 / 3, "us-east": 0.4, "ap-south": 4 / 15}
"""Values of the label `region`, and their shares of the traffic; `one-region` affects the first."""
_CHUNK: Final = 20_000
"""Events generated at a time, so that memory use does not depend on the history's length."""
_EARLY: Final = (Phase.PRE_SESSION, Phase.CONNECT, Phase.HANDSHAKE)


def events(history: History, seed: int = 1) -> Iterator[Timed]:
    """Every session end of the history, in order of time.

    The same history and seed give the same ids, so posting them again counts nothing twice. Other histories
    have other ids. Times are uniform within a bin, durations log-normal (assumed medians) with a resolution
    of 0.1 s.
    """
    name = _name(history, seed)
    random = np.random.Generator(np.random.PCG64([seed, int(name, 16)]))
    durations = np.array([_duration(code) for code in codes(history.system)])
    regions, weights = list(REGIONS), list(REGIONS.values())
    number = 0
    users = dict.fromkeys(range(len(history.codes)), 0)
    firsts = history.ends - history.repeats
    for first, last in _chunks(history):
        bins, columns = np.nonzero(history.ends[first:last])
        repeats = history.ends[first:last][bins, columns]
        bins, columns = np.repeat(bins, repeats) + first, np.repeat(columns, repeats)
        times = history.start + (bins + random.random(len(bins))) * history.step
        median, sigma = durations[columns].T
        seconds = median * np.exp(sigma * random.standard_normal(len(bins)))
        region = random.choice(len(regions), len(bins), p=weights)
        region[_in_one_region(history, bins, columns)] = 0
        for row in np.argsort(times, kind="stable").tolist():
            time, place = float(times[row]), (bins[row], columns[row])
            # A retry has the user of the latest first end with its code.
            if firsts[place] > 0:
                firsts[place] -= 1
                users[columns[row]] = number
            event: Event = {
                "id": f"sim-{name}-{number}",
                "system": history.system,
                "code": history.codes[columns[row]],
                "session_id": f"s-{name[:8]}-{number}",
                "user": f"u-{name[:8]}-{users[columns[row]]}",
                "duration_seconds": round(float(seconds[row]), 1),
                "labels": {"region": regions[region[row]]},
            }
            yield time, event
            number += 1


def merged(histories: Sequence[History], seed: int = 1) -> Iterator[Timed]:
    """The events of several systems, in order of time."""
    streams = (events(history, seed) for history in histories)
    return heapq.merge(*streams, key=lambda timed: timed[0])


def ndjson(histories: Sequence[History], seed: int = 1) -> Iterator[str]:
    encode = msgspec.json.Encoder().encode
    for time, event in merged(histories, seed):
        occurred = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
        yield encode({**event, "occurred_at": occurred[:-6] + "Z"}).decode() + "\n"


def _name(history: History, seed: int) -> str:
    """A hash of everything that determines the events, for their ids."""
    # With the seed alone, another start or rate would give known ids to other events, which a server rejects.
    digest = hashlib.blake2b(np.ascontiguousarray(history.ends).tobytes(), digest_size=8)
    labels = [(incident.name, incident.start, incident.end) for incident in history.incidents]
    digest.update(repr((history.system, history.start, history.step, seed, labels)).encode())
    return digest.hexdigest()


def _chunks(history: History) -> Iterator[tuple[int, int]]:
    """Ranges of bins with about `_CHUNK` ends each, at least one bin each."""
    before = np.concatenate(([0], np.cumsum(history.ends.sum(axis=1))))
    first = 0
    while first < len(history.ends):
        last = min(int(np.searchsorted(before, before[first] + _CHUNK)), len(history.ends))
        yield first, last
        first = last


def _in_one_region(
    history: History, bins: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.bool_]:
    result = np.zeros(len(bins), dtype=np.bool_)
    for incident in history.incidents:
        if incident.name == ONE_REGION:
            during = history.bins(incident.start, incident.end)
            failing = [history.codes.index(code) for code in incident.codes]
            result |= (bins >= during.start) & (bins < during.stop) & np.isin(columns, failing)
    return result


def _duration(code: Code) -> tuple[float, float]:
    """Median in seconds, and standard deviation of the logarithm, of a session that ends with `code`."""
    if code.outcome is Outcome.SUCCESS:
        return 900.0, 1.0
    if code.outcome is Outcome.NEUTRAL:
        return 1500.0, 0.6
    return (6.0, 0.7) if code.phase in _EARLY else (300.0, 1.2)
