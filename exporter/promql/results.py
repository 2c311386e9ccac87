"""The samples that Prometheus would write for a rule: its results, or its alerts' states."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from exporter.promql.evaluate import Evaluation
from exporter.promql.rulefile import ALERTS, FOR_STATE, Rule
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Labels, Times, Vector, drop, labels

_INACTIVE: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class State:
    """A pending or firing alert: active since `active`, without a result since `absent`, in ms."""

    active: int
    firing: bool
    absent: int | None = None


States = dict[Labels, State]


@dataclass(frozen=True, slots=True)
class Result:
    """`samples` are written; `failed`, (instants,), is where the evaluation failed, and `reasons` why.

    `vector` is the result before it becomes alerts.
    """

    samples: Samples
    failed: Flags
    reasons: Sequence[str]
    vector: Vector

    def states(self, last: int, rule: Rule, states: States) -> States:
        """The alerts' states after the instant `last`, from `states` before the first instant."""
        end = int(np.searchsorted(self.samples.times, last, side="right"))
        if not rule.alert or not end:
            return states
        of = self.vector
        part = Vector(of.labels, of.values[:, :end], of.present[:, :end])
        return _activity(part, self.failed[:end], self.samples.times[:end], states, rule).states


def result(rule: Rule, evaluation: Evaluation, states: States) -> Result:
    """Evaluates the rule, whose alerts have `states` before the first instant."""
    vector = rule.labeled(evaluation.vector(rule.tree), evaluation.fail)
    times, failed = evaluation.instants.at, evaluation.failed
    written = vector
    if rule.alert:
        written = _series(_activity(vector, failed, times, states, rule))
    # A failed evaluation writes nothing: no stale marker either.
    present = written.present & ~failed
    rows = np.flatnonzero(present.any(axis=1))
    samples = Samples(
        times,
        tuple(written.labels[row] for row in rows.tolist()),
        written.values if len(rows) == len(present) else written.values[rows],
        present[rows],
        ~present[rows] & ~failed,
    )
    return Result(samples, failed, evaluation.reasons, vector)


@dataclass(frozen=True, slots=True)
class _Activity:
    """(alerts, instants): since when each alert is active, `_INACTIVE` if not, and whether it fires.

    `states` are those after the last instant.
    """

    labels: tuple[Labels, ...]
    active: Times
    firing: Flags
    states: States


def _activity(vector: Vector, failed: Flags, times: Times, states: States, rule: Rule) -> _Activity:
    """Applies `for` and `keep_firing_for`. A failed evaluation changes no state and writes nothing."""
    rows = (*vector.labels, *(row for row in states if row not in vector.labels))
    active = np.full((len(rows), len(times)), _INACTIVE, np.int64)
    firing = np.zeros(active.shape, np.bool_)
    evaluated = np.flatnonzero(~failed)
    after: States = {}
    for index, row in enumerate(rows):
        present = np.zeros(len(evaluated), np.bool_)
        if index < len(vector.labels):
            present = vector.present[index, evaluated]
        active[index, evaluated], firing[index, evaluated], state = _follow(
            present, times[evaluated], states.get(row), rule
        )
        if state is not None:
            after[row] = state
    return _Activity(rows, active, firing, after)


def _follow(
    present: Flags, times: Times, state: State | None, rule: Rule
) -> tuple[Times, Flags, State | None]:
    """`AlertingRule.Eval` of Prometheus' rules/alerting.go, for one alert at many instants."""
    active = np.full(len(times), _INACTIVE, np.int64)
    firing = np.zeros(len(times), np.bool_)
    edges = [0, *(np.flatnonzero(present[1:] != present[:-1]) + 1).tolist(), len(times)]
    for begin, end in pairwise(edges if len(times) else []):

        def index(time: int, begin: int = begin, end: int = end) -> int:
            return min(max(int(np.searchsorted(times, time)), begin), end)

        if present[begin]:
            state = state or State(int(times[begin]), firing=False)
            fires = begin if state.firing else index(state.active + rule.wait)
            active[begin:end] = state.active
            firing[fires:end] = True
            state = State(state.active, firing=fires < end)
        elif state is not None:
            absent = int(times[begin]) if state.absent is None else state.absent
            over = index(absent + rule.keep) if state.firing else begin
            active[begin:over] = state.active
            firing[begin:over] = True
            state = State(state.active, firing=True, absent=absent) if over == end else None
    return active, firing, state


def _series(alerts: _Activity) -> Vector:
    """The series ALERTS and ALERTS_FOR_STATE."""
    rows, values, present = [], [], []
    for row, active, firing in zip(alerts.labels, alerts.active, alerts.firing, strict=True):
        pairs, is_active = dict(row), active != _INACTIVE
        for state, flags in (("firing", firing), ("pending", is_active & ~firing)):
            rows.append(labels(pairs | {METRIC_NAME: ALERTS, "alertstate": state}))
            values.append(np.ones(len(flags)))
            present.append(flags)
        rows.append(labels(pairs | {METRIC_NAME: FOR_STATE}))
        values.append(np.floor(active / 1000))
        present.append(is_active)
    shape = len(rows), alerts.active.shape[1]
    return Vector(
        tuple(rows), np.reshape(values, shape), np.reshape(np.array(present, np.bool_), shape)
    )


def firings(written: Samples) -> Iterator[tuple[Labels, int, int, int | None]]:
    """Of an alerting rule's samples: labels, since when active, first and one after last instant of firing.

    Times are in milliseconds; the last one is None if the alert fires at the last evaluation.
    """
    evaluated = (written.present | written.stale).all(axis=0)
    times = written.times[evaluated]
    rows = {row: index for index, row in enumerate(written.labels)}
    for row, index in rows.items():
        pairs = dict(row)
        if pairs.pop("alertstate", None) != "firing":
            continue
        active = written.values[rows[labels(pairs | {METRIC_NAME: FOR_STATE})], evaluated]
        firing = written.present[index, evaluated]
        edges = np.flatnonzero(np.diff(firing, prepend=False, append=False)).tolist()
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            over = int(times[end]) if end < len(times) else None
            own = drop(labels(pairs), (METRIC_NAME,))
            yield own, round(active[begin] * 1000), int(times[begin]), over
