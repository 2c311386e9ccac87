"""Aggregations over series: sum, topk and the others, by labels or without them."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.quantile import of_rows
from exporter.promql.value import (
    METRIC_NAME,
    Flags,
    Floats,
    Labels,
    Vector,
    drop,
    grouped,
    keep,
)


def _sum(values: Floats, present: Flags) -> Floats:
    return np.asarray(np.add.reduce(np.where(present, values, 0.0), axis=0))


def _count(_: Floats, present: Flags) -> Floats:
    return np.asarray(present.sum(axis=0), np.float64)


def _average(values: Floats, present: Flags) -> Floats:
    return np.asarray(_sum(values, present) / present.sum(axis=0))


def _variance(values: Floats, present: Flags) -> Floats:
    # Apart from the first value, so that equal values have a deviation of exactly 0.
    first = np.take_along_axis(values, present.argmax(axis=0)[np.newaxis], axis=0)
    apart = np.where(present, values - first, 0.0)
    count = present.sum(axis=0)
    mean = apart.sum(axis=0) / count
    squares = (np.where(present, apart - mean, 0.0) ** 2).sum(axis=0)
    # Also of a NaN that is alone.
    return np.where(count == 1, 0.0, squares / count)


REDUCTIONS: Final[dict[str, Callable[[Floats, Flags], Floats]]] = {
    "sum": _sum,
    "count": _count,
    "avg": _average,
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "group": lambda values, _: np.ones(values.shape[1]),
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
    "stdvar": _variance,
}
RANKED: Final = frozenset(("topk", "bottomk"))
OPERATORS: Final = frozenset((*REDUCTIONS, *RANKED, "quantile"))


def aggregated(
    operator: str, vector: Vector, parameter: Floats | None, without: bool, names: tuple[str, ...]
) -> Vector:
    """`parameter`, (instants,), is the k of topk and the φ of quantile."""
    groups = grouped([_key(row, without, names) for row in vector.labels])
    if operator in RANKED:
        assert parameter is not None
        present = np.zeros_like(vector.present)
        for rows in groups.values():
            values = vector.values[rows] if operator == "bottomk" else -vector.values[rows]
            present[rows] = _ranked(values, vector.present[rows], parameter)
        return Vector(vector.labels, vector.values, present)
    shape = len(groups), vector.values.shape[1]
    values, present = np.empty(shape), np.empty(shape, np.bool_)
    for place, rows in enumerate(groups.values()):
        part, there = vector.values[rows], vector.present[rows]
        present[place] = there.any(axis=0)
        if operator == "quantile":
            assert parameter is not None
            values[place] = of_rows(part, there, parameter)
        else:
            values[place] = REDUCTIONS[operator](part, there)
    return Vector(tuple(groups), values, present)


def _key(row: Labels, without: bool, names: tuple[str, ...]) -> Labels:
    return drop(row, (METRIC_NAME, *names)) if without else keep(row, names)


def _ranked(values: Floats, present: Flags, count: Floats) -> Flags:
    """Where a row is among the `count` smallest; NaN comes last, and of equal values the first row first."""
    behind = np.where(present, np.isnan(values), 2)
    order = np.lexsort((np.where(present, values, 0.0), behind), axis=0)
    ranks = np.empty(order.shape, np.intp)
    np.put_along_axis(ranks, order, np.arange(len(order))[:, np.newaxis], axis=0)
    return np.asarray(present & (ranks < np.floor(count)))
