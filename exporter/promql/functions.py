"""Functions and aggregations of instant vectors, as in Prometheus' promql/functions.go."""

from collections.abc import Callable
from typing import Final

import numpy as np

from exporter.promql.expression import Selector
from exporter.promql.value import METRIC_NAME, Flags, Floats, Vector, grouped, keep, labels


def _round(values: Floats, nearest: Floats | float = 1.0) -> Floats:
    """Rounds ties up. Multiplies by the inverse, as Prometheus does."""
    inverse = 1.0 / nearest
    return np.asarray(np.floor(values * inverse + 0.5) / inverse)


ELEMENTWISE: Final[dict[str, Callable[..., Floats]]] = {
    "clamp_min": np.maximum,
    "round": _round,
    "sqrt": np.sqrt,
}
"""Functions of the values of a vector and, for some, of a scalar."""


def absent(present: Flags, selector: Selector | None) -> Vector:
    """1 where no row is present, with the labels that the selector requires."""
    values: dict[str, list[str]] = {}
    for matcher in selector.matchers if selector else ():
        equal = not matcher.negative and matcher.pattern is None
        # A label with another matcher, or with two values, is left out.
        values.setdefault(matcher.name, []).extend([matcher.value] if equal else ["", ""])
    values.pop(METRIC_NAME, None)
    row = labels({name: texts[0] for name, texts in values.items() if len(texts) == 1})
    missing: Flags = ~np.asarray(present.any(axis=0))
    return Vector((row,), np.ones((1, len(missing))), missing[np.newaxis])


REDUCTIONS: Final[dict[str, Callable[[Floats, Flags], Floats]]] = {
    "sum": lambda values, present: np.add.reduce(np.where(present, values, 0.0), axis=0),
    "count": lambda _, present: np.asarray(present.sum(axis=0), np.float64),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "group": lambda values, _: np.ones(values.shape[1]),
}
AGGREGATIONS: Final = frozenset((*REDUCTIONS, "topk"))


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
        order = np.lexsort((-values, ~there), axis=0)
        present[rows] = there & (np.argsort(order, axis=0) < int(count))
    return Vector(vector.labels, vector.values, present)
