"""From an alerting rule's results to alerts: `for`, `keep_firing_for`, and the series of their states."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from exporter.promql.dependencies import ALERTS, FOR_STATE
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, Labels, Times, Vector, drop, labels

INACTIVE: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class State:
    """An alert that is pending or firing: when it became active, and since when its result is gone."""

    active: int
    firing: bool
    gone: int | None = None


States = dict[Labels, State]


@dataclass(frozen=True, slots=True)
class Activity:
    """(alerts, instants): since when each alert is active (`INACTIVE` when not), and where it fires.
    `states` are those after the last instant."""

    labels: tuple[Labels, ...]
    active: Times
    firing: Flags
    states: States


def activity(
    vector: Vector, failed: Flags, times: Times, states: States, wait: int, keep: int
) -> Activity:
    """What an alerting rule makes of its results. A failed evaluation leaves all as it was, and writes
    nothing."""
    names = (*vector.labels, *(row for row in states if row not in vector.labels))
    active = np.full((len(names), len(times)), INACTIVE, np.int64)
    firing = np.zeros(active.shape, np.bool_)
    evaluated = np.flatnonzero(~failed)
    after: States = {}
    for place, row in enumerate(names):
        if place < len(vector.labels):
            present = vector.present[place, evaluated]
        else:
            present = np.zeros(len(evaluated), np.bool_)
        alert = _Alert(times[evaluated], wait, keep, states.get(row))
        alert.follow(present)
        active[place, evaluated], firing[place, evaluated] = alert.active, alert.firing
        if alert.state is not None:
            after[row] = alert.state
    return Activity(names, active, firing, after)


class _Alert:
    """`AlertingRule.Eval` of Prometheus' rules/alerting.go for one alert at many instants."""

    def __init__(self, times: Times, wait: int, keep: int, state: State | None) -> None:
        self._times, self._wait, self._keep = times, wait, keep
        self.state = state
        self.active = np.full(len(times), INACTIVE, np.int64)
        self.firing = np.zeros(len(times), np.bool_)

    def follow(self, present: Flags) -> None:
        edges = np.flatnonzero(present[1:] != present[:-1]) + 1
        places = [0, *edges.tolist(), len(present)]
        for begin, end in pairwise(places):
            if begin < end:
                (self._there if present[begin] else self._gone)(begin, end)

    def _there(self, begin: int, end: int) -> None:
        state = self.state or State(int(self._times[begin]), False)
        fires = begin if state.firing else self._place(state.active + self._wait, begin, end)
        self.active[begin:end] = state.active
        self.firing[fires:end] = True
        self.state = State(state.active, fires < end)

    def _gone(self, begin: int, end: int) -> None:
        state = self.state
        if state is None:
            return
        gone = int(self._times[begin]) if state.gone is None else state.gone
        over = self._place(gone + self._keep, begin, end) if state.firing else begin
        self.active[begin:over] = state.active
        self.firing[begin:over] = True
        self.state = State(state.active, True, gone) if over == end else None

    def _place(self, time: int, begin: int, end: int) -> int:
        return min(max(int(np.searchsorted(self._times, time)), begin), end)


def series(alerts: Activity) -> tuple[list[Labels], Floats, Flags]:
    """The rows of ALERTS and ALERTS_FOR_STATE: labels, values and where they are."""
    rows, values, present = [], [], []
    there = alerts.active != INACTIVE
    for place, row in enumerate(alerts.labels):
        pairs, firing = dict(row), alerts.firing[place]
        for state, flags in (("firing", firing), ("pending", there[place] & ~firing)):
            rows.append(labels(pairs | {METRIC_NAME: ALERTS, "alertstate": state}))
            values.append(np.ones(len(flags)))
            present.append(flags)
        rows.append(labels(pairs | {METRIC_NAME: FOR_STATE}))
        values.append(np.floor(alerts.active[place] / 1000))
        present.append(there[place])
    shape = len(rows), alerts.active.shape[1]
    return rows, np.array(values).reshape(shape), np.array(present, np.bool_).reshape(shape)


def fired(written: Samples) -> Iterator[tuple[Labels, int, int, int | None]]:
    """From an alerting rule's series: labels, since when active, when it fired first and when no more,
    None for still; in milliseconds."""
    evaluated = (written.present | written.stale).all(axis=0)
    times = written.times[evaluated]
    rows = {row: place for place, row in enumerate(written.labels)}
    for row, place in rows.items():
        pairs = dict(row)
        if pairs.pop("alertstate", None) != "firing":
            continue
        active = written.values[rows[labels(pairs | {METRIC_NAME: FOR_STATE})], evaluated]
        firing = np.concatenate([[False], written.present[place, evaluated], [False]])
        edges = np.flatnonzero(firing[1:] != firing[:-1])
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            over = int(times[end]) if end < len(times) else None
            yield (
                drop(labels(pairs), (METRIC_NAME,)),
                round(active[begin] * 1000),
                int(times[begin]),
                over,
            )
