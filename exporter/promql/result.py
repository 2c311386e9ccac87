"""A rule's results at many instants: the samples that Prometheus would write."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exporter.promql.alerts import States, activity, series
from exporter.promql.evaluate import Evaluation
from exporter.promql.rulefile import Rule
from exporter.promql.samples import Samples
from exporter.promql.value import Flags, Floats, Labels, Times, Vector


@dataclass(frozen=True, slots=True)
class Result:
    """`samples` are written; `failed`, (instants,), is where the evaluation failed, and `reasons` why."""

    samples: Samples
    failed: Flags
    reasons: list[str]
    labeled: Vector

    def until(self, last: int, rule: Rule, states: States) -> States:
        """An alerting rule's states after the instant `last`, `states` being those before the first."""
        end = int(np.searchsorted(self.samples.times, last, side="right"))
        if not rule.alert or not end:
            return states
        vector = self.labeled
        part = Vector(vector.labels, vector.values[:, :end], vector.present[:, :end])
        times, failed = self.samples.times[:end], self.failed[:end]
        return activity(part, failed, times, states, rule.wait, rule.keep).states


def result(rule: Rule, evaluation: Evaluation, states: States) -> Result:
    """Evaluates the rule; `states` are an alerting rule's before the first instant."""
    vector = rule.labeled(evaluation.vector(rule.tree), evaluation.fail)
    times, failed = evaluation.instants.at, evaluation.failed
    if rule.alert:
        alerts = activity(vector, failed, times, states, rule.wait, rule.keep)
        written = _written(times, *series(alerts), failed)
    else:
        written = _written(times, vector.labels, vector.values, vector.present & ~failed, failed)
    return Result(written, failed, evaluation.reasons, vector)


def _written(
    times: Times, rows: Sequence[Labels], values: Floats, present: Flags, failed: Flags
) -> Samples:
    """Only series that are ever there; a series that is gone gets a stale marker, a failed evaluation
    writes nothing."""
    some = np.flatnonzero(present.any(axis=1)).tolist()
    if len(some) < len(rows):
        rows, values, present = [rows[row] for row in some], values[some], present[some]
    return Samples(times, tuple(rows), values, present, ~present & ~failed)
