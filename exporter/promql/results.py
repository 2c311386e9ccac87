"""The samples that Prometheus would write for a rule: its results, or the states of its alerts."""

from itertools import pairwise
from typing import Final

import numpy as np

from exporter.promql.evaluate import Evaluation
from exporter.promql.rulefile import ALERTS, FOR_STATE, Rule
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Times, Vector, labels, vector

_INACTIVE: Final = -(2**62)


def result(rule: Rule, evaluation: Evaluation) -> Samples:
    """Evaluates the rule. Raises `EvaluationFailed`."""
    return written(rule, expression_result(rule, evaluation))


def expression_result(rule: Rule, evaluation: Evaluation) -> Samples:
    """The result of the rule's expression, with the rule's name and labels."""
    return _samples(rule.labeled(vector(evaluation.value(rule.tree))), evaluation.at)


def written(rule: Rule, results: Samples) -> Samples:
    """The samples that Prometheus writes: the results of the expression, or the states of the alerts."""
    return _samples(_alert_series(rule, results), results.times) if rule.alert else results


def _samples(value: Vector, times: Times) -> Samples:
    """The samples of a vector; rows without any value are left out."""
    samples = Samples(times, value.labels, value.values, value.present)
    return samples.rows(np.flatnonzero(value.present.any(axis=1)).tolist())


def _alert_series(rule: Rule, results: Samples) -> Vector:
    """The series ALERTS and ALERTS_FOR_STATE."""
    shape = results.present.shape
    active, firing = np.empty(shape, np.int64), np.empty(shape, np.bool_)
    for row, present in enumerate(results.present):
        active[row], firing[row] = _follow(present, results.times, rule)
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
