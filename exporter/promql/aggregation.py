"""Aggregations over series: sum, topk and the others."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.value import Flags, Floats, Vector, grouped, keep


def _sum(values: Floats, present: Flags) -> Floats:
    return np.asarray(np.add.reduce(np.where(present, values, 0.0), axis=0))


REDUCTIONS: Final[dict[str, Callable[[Floats, Flags], Floats]]] = {
    "sum": _sum,
    "count": lambda _, present: np.asarray(present.sum(axis=0), np.float64),
    "avg": lambda values, present: np.asarray(_sum(values, present) / present.sum(axis=0)),
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "group": lambda values, _: np.ones(values.shape[1]),
}
OPERATORS: Final = frozenset((*REDUCTIONS, "topk"))


def aggregated(operator: str, vector: Vector, names: tuple[str, ...]) -> Vector:
    """An operator of `REDUCTIONS`, by the labels `names`."""
    groups = grouped(keep(row, names) for row in vector.labels)
    shape = len(groups), vector.values.shape[1]
    values, present = np.empty(shape), np.empty(shape, np.bool_)
    for index, rows in enumerate(groups.values()):
        part, part_present = vector.values[rows], vector.present[rows]
        present[index] = part_present.any(axis=0)
        values[index] = REDUCTIONS[operator](part, part_present)
    return Vector(tuple(groups), values, present)


def topk(count: float, vector: Vector, names: tuple[str, ...]) -> Vector:
    """The `count` largest series by the labels `names`. NaN is smallest; of equal series, the later one."""
    present = np.zeros_like(vector.present)
    for rows in grouped(keep(row, names) for row in vector.labels).values():
        values, there = vector.values[rows], vector.present[rows]
        order = np.lexsort((np.where(there, -values, 0.0), ~there), axis=0)
        present[rows] = there & (np.argsort(order, axis=0) < int(count))
    return Vector(vector.labels, vector.values, present)
