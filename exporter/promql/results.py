"""The samples that Prometheus would write for a rule: its results, or the states of its alerts."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from exporter.promql.evaluate import Evaluation
from exporter.promql.rulefile import ALERTS, FOR_STATE, Rule
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Times, Vector, labels, vector

_INACTIVE: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Result:
    """The samples that a rule writes; `failed`, (instants,), tells where it failed; `reason` is the first."""

    samples: Samples
    failed: Flags
    reason: str


def result(rule: Rule, evaluation: Evaluation) -> Result:
    """Evaluates the rule. A failed evaluation writes nothing, not even a stale marker."""
    outcome = expression_result(rule, evaluation)
    return replace(outcome, samples=written(rule, outcome.samples, outcome.failed))


def expression_result(rule: Rule, evaluation: Evaluation) -> Result:
    """The result of the rule's expression, with the rule's name and labels."""
    value = rule.labeled(vector(evaluation.value(rule.tree)), evaluation.fail)
    samples = _samples(value, evaluation.failed, evaluation.at)
    return Result(samples, evaluation.failed, evaluation.reason)


def written(rule: Rule, results: Samples, failed: Flags) -> Samples:
    """The samples that Prometheus writes: the results of the expression, or the states of the alerts."""
    if not rule.alert:
        return results
    return _samples(_alert_series(rule, results, failed), failed, results.times)


def _samples(value: Vector, failed: Flags, times: Times) -> Samples:
    """The samples of a vector; rows without any value are left out."""
    present = value.present & ~failed
    rows = np.flatnonzero(present.any(axis=1))
    return Samples(
        times,
        tuple(value.labels[row] for row in rows.tolist()),
        value.values if len(rows) == len(present) else value.values[rows],
        present[rows],
        ~present[rows] & ~failed,
    )


def _alert_series(rule: Rule, results: Samples, failed: Flags) -> Vector:
    """The series ALERTS and ALERTS_FOR_STATE. A failed evaluation changes no state."""
    times = results.times
    shape = len(results.labels), len(times)
    active = np.full(shape, _INACTIVE, np.int64)
    firing = np.zeros(shape, np.bool_)
    evaluated = np.flatnonzero(~failed)
    for row in range(len(results.labels)):
        present = results.present[row, evaluated]
        active[row, evaluated], firing[row, evaluated] = _follow(present, times[evaluated], rule)
    pending = (active != _INACTIVE) & ~firing
    alerts = [{METRIC_NAME: ALERTS, "alertstate": state} for state in ("firing", "pending")]
    added = (*alerts, {METRIC_NAME: FOR_STATE})
    return Vector(
        tuple(labels(dict(row) | names) for names in added for row in results.labels),
        np.concatenate([np.ones(shape), np.ones(shape), np.floor(active / 1000)]),
        np.concatenate([firing, pending, active != _INACTIVE]),
    )


def _follow(present: Flags, times: Times, rule: Rule) -> tuple[Times, Flags]:
    """(instants,): since when an alert is active, and whether it fires."""
    # Applies `for` and `keep_firing_for` as `AlertingRule.Eval` of Prometheus' rules/alerting.go.
    active = np.full(len(times), _INACTIVE, np.int64)
    firing = np.zeros(len(times), np.bool_)
    since: int | None = None
    fires = False
    edges = [*np.flatnonzero(np.diff(present, prepend=~present[:1])).tolist(), len(times)]
    for begin, end in pairwise(edges):
        if present[begin]:
            since = int(times[begin]) if since is None else since
            first = int(np.searchsorted(times, since + rule.wait))
            active[begin:end] = since
            firing[first:end] = True
            fires = first < end
        elif since is not None:
            over = int(np.searchsorted(times, times[begin] + rule.keep)) if fires else begin
            active[begin:over] = since
            firing[begin:over] = True
            if over < end:
                since = None
    return active, firing
