"""Aggregations over series: sum, topk and the others, with `by` or `without`."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.expression import Aggregate
from exporter.promql.quantile import of_rows
from exporter.promql.value import METRIC_NAME, Flags, Floats, Vector, drop, grouped, keep


def _sum(values: Floats, present: Flags) -> Floats:
    return np.asarray(np.add.reduce(np.where(present, values, 0.0), axis=0))


def _average(values: Floats, present: Flags) -> Floats:
    return np.asarray(_sum(values, present) / present.sum(axis=0))


def _variance(values: Floats, present: Flags) -> Floats:
    # Relative to the first value, so that equal values have a deviation of exactly 0.
    first = np.take_along_axis(values, present.argmax(axis=0)[np.newaxis], axis=0)
    deviations = values - first
    deviations -= _average(deviations, present)
    # A single value has no variance, even if it is NaN.
    return np.where(present.sum(axis=0) == 1, 0.0, _average(deviations**2, present))


REDUCTIONS: Final[dict[str, Callable[[Floats, Flags], Floats]]] = {
    "sum": _sum,
    "count": lambda _, present: np.asarray(present.sum(axis=0), np.float64),
    "avg": _average,
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "group": lambda values, _: np.ones(values.shape[1]),
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
    "stdvar": _variance,
}
RANKED: Final = frozenset(("topk", "bottomk"))
OPERATORS: Final = frozenset((*REDUCTIONS, *RANKED, "quantile"))


def aggregated(node: Aggregate, vector: Vector, parameter: Floats) -> Vector:
    """`parameter`, (instants,), is the k of topk or the φ of quantile; unused otherwise."""
    if node.without:
        keys = [drop(row, (METRIC_NAME, *node.names)) for row in vector.labels]
    else:
        keys = [keep(row, node.names) for row in vector.labels]
    groups = grouped(keys)
    if node.operator in RANKED:
        present = np.zeros_like(vector.present)
        for rows in groups.values():
            values = vector.values[rows] if node.operator == "bottomk" else -vector.values[rows]
            present[rows] = _ranked(values, vector.present[rows], parameter)
        return Vector(vector.labels, vector.values, present)
    shape = len(groups), vector.values.shape[1]
    values, present = np.empty(shape), np.empty(shape, np.bool_)
    for index, rows in enumerate(groups.values()):
        part, part_present = vector.values[rows], vector.present[rows]
        present[index] = part_present.any(axis=0)
        if node.operator == "quantile":
            values[index] = of_rows(part, part_present, parameter)
        else:
            values[index] = REDUCTIONS[node.operator](part, part_present)
    return Vector(tuple(groups), values, present)


def _ranked(values: Floats, present: Flags, count: Floats) -> Flags:
    """Whether a row is among the `count` smallest. NaN is last; the first of equal rows is smaller."""
    last = np.where(present, np.isnan(values), 2)
    order = np.lexsort((np.where(present, values, 0.0), last), axis=0)
    ranks = np.argsort(order, axis=0)
    return np.asarray(present & (ranks < np.floor(count)))
