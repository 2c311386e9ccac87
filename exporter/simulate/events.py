"""A history as single events of the contract, for NDJSON and HTTP."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from exporter.simulate.history import History
from exporter.simulate.incidents import ONE_REGION
from exporter.simulate.profiles import taxonomy
from exporter.taxonomy.model import Code, Outcome, Phase

Event = dict[str, Any]
REGIONS: Final[Mapping[str, float]] = {"eu-west": 1 / 3, "us-east": 0.4, "ap-south": 4 / 15}
"""Values of the label `region`, with their parts of the traffic; the first is the one that fails alone."""
_CHUNK: Final = 20_000
"""Ends that are drawn at a time: a few MB whatever the history's size."""
_EARLY: Final = (Phase.PRE_SESSION, Phase.CONNECT, Phase.HANDSHAKE)


def events(history: History, seed: int = 1, *, dated: bool = True) -> Iterator[Event]:
    """Every end of the history as an event, in the order in which they occur.

    The same history and seed give the same events with the same ids, and another history other ids, so
    to post them again counts nothing twice. Without `dated` there is no `occurred_at`, and a server takes
    the time of receipt: what is posted at another pace than it is simulated would be late otherwise.
    """
    for _, event in timed(history, seed, dated=dated):
        yield event


def timed(history: History, seed: int = 1, *, dated: bool = True) -> Iterator[tuple[float, Event]]:
    """The same with the Unix seconds at which each occurs in the simulation.

    Ends are spread evenly inside their bin. Durations are log-normal (assumed; medians in `_duration`),
    rounded to tenths of a second. `region` is drawn by `REGIONS`, but what fails in one region alone does
    so in the first.
    """
    name = _name(history, seed)
    random = np.random.Generator(np.random.PCG64([seed, int(name, 16)]))
    system = taxonomy(history.system)
    rows = {code.code: code for code in (*system.codes, system.unknown)}
    codes = [rows[code] for code in history.codes]
    typical = np.array([_duration(code) for code in codes])
    regions, parts = list(REGIONS), list(REGIONS.values())
    number = 0
    for first, last in _chunks(history):
        bins, columns = np.nonzero(history.ends[first:last])
        repeats = history.ends[first:last][bins, columns]
        bins, columns = np.repeat(bins, repeats) + first, np.repeat(columns, repeats)
        at = history.start + (bins + random.random(len(bins))) * history.step
        seconds = typical[columns, 0] * np.exp(
            typical[columns, 1] * random.standard_normal(len(bins))
        )
        region = random.choice(len(regions), len(bins), p=parts)
        region[_alone(history, bins, columns)] = 0
        for row in np.argsort(at, kind="stable").tolist():
            when = float(at[row])
            event: Event = {
                "id": f"sim-{name}-{number}",
                "system": history.system,
                "code": codes[columns[row]].code,
                "session_id": f"s-{name[:8]}-{number}",
                "duration_seconds": round(float(seconds[row]), 1),
                "labels": {"region": regions[region[row]]},
            }
            if dated:
                event["occurred_at"] = _rfc3339(when)
            yield when, event
            number += 1


def merged(
    histories: Sequence[History], seed: int = 1, *, dated: bool = True
) -> Iterator[tuple[float, Event]]:
    """Several systems' `timed` events in one order."""
    each = (timed(history, seed, dated=dated) for history in histories)
    return heapq.merge(*each, key=lambda one: one[0])


def ndjson(histories: Sequence[History], seed: int = 1) -> Iterator[str]:
    """All events, dated, one a line, line end included."""
    encode = msgspec.json.Encoder().encode
    for _, event in merged(histories, seed):
        yield encode(event).decode() + "\n"


def _name(history: History, seed: int) -> str:
    """16 hexadecimal digits of all that the events follow from. Were the seed alone in the ids, another
    start or rate would give known ids to other events, which a server rejects as conflicts."""
    digest = hashlib.blake2b(np.ascontiguousarray(history.ends).tobytes(), digest_size=8)
    labels = [(one.name, one.start, one.end) for one in history.incidents]
    digest.update(repr((history.system, history.start, history.step, seed, labels)).encode())
    return digest.hexdigest()


def _chunks(history: History) -> Iterator[tuple[int, int]]:
    """Bins that have about `_CHUNK` ends together, at least one bin each."""
    before = np.concatenate(([0], np.cumsum(history.ends.sum(axis=1))))
    first = 0
    while first < len(history.ends):
        last = min(int(np.searchsorted(before, before[first] + _CHUNK)), len(history.ends))
        yield first, last
        first = last


def _alone(
    history: History, bins: "np.ndarray[Any, Any]", columns: "np.ndarray[Any, Any]"
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Which ends are of an incident that only one region has."""
    found = np.zeros(len(bins), dtype=np.bool_)
    for incident in history.incidents:
        if incident.name == ONE_REGION:
            during = history.bins(incident.start, incident.end)
            failing = [history.codes.index(code) for code in incident.codes]
            found |= (bins >= during.start) & (bins < during.stop) & np.isin(columns, failing)
    return found


def _duration(code: Code) -> tuple[float, float]:
    """Median in seconds and standard deviation of the logarithm of a session that ends so."""
    if code.outcome is Outcome.SUCCESS:
        return 900.0, 1.0
    if code.outcome is Outcome.NEUTRAL:
        return 1500.0, 0.6
    return (6.0, 0.7) if code.phase in _EARLY else (300.0, 1.2)


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
