"""Operators between two values, and the matching of their series."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from exporter.promql.expression import SET_OPERATORS, Binary
from exporter.promql.value import (
    METRIC_NAME,
    EvaluationFailed,
    Flags,
    Floats,
    Labels,
    Value,
    Vector,
    drop,
    grouped,
    keep,
    labels,
    stacked,
)

OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
OPERATORS: Final = frozenset((*OPERATIONS, *SET_OPERATORS))


def binary(node: Binary, left: Value, right: Value) -> Value:
    """The result of an operator. Raises `EvaluationFailed` for a many-to-many match."""
    if isinstance(left, Vector) and isinstance(right, Vector):
        if node.operator in SET_OPERATORS:
            return _set_operation(node, left, right)
        return _matched(node, left, right)
    first, second = (side.values if isinstance(side, Vector) else side for side in (left, right))
    vector = left if isinstance(left, Vector) else right
    if not isinstance(vector, Vector):
        return np.asarray(OPERATIONS[node.operator](first, second), np.float64)
    values, kept = _operated(node, first, second, vector.values)
    result = Vector(vector.labels, values, vector.present & kept)
    return result if node.filters else result.without_name()


def _operated(
    node: Binary, left: Floats, right: Floats, filtered: Floats
) -> tuple[Floats, Flags | np.bool_]:
    """Values and where to keep them; a comparison without `bool` keeps values of `filtered`."""
    result = OPERATIONS[node.operator](left, right)
    return (filtered, result) if node.filters else (np.asarray(result, np.float64), np.True_)


def _signatures(vector: Vector, node: Binary) -> list[Labels]:
    """The labels that have to be equal for a match."""
    if node.on:
        return [keep(row, node.names) for row in vector.labels]
    return [drop(row, (METRIC_NAME, *node.names)) for row in vector.labels]


def _set_operation(node: Binary, left: Vector, right: Vector) -> Vector:
    left_keys, right_keys = _signatures(left, node), _signatures(right, node)
    if node.operator == "or":
        present = right.present & ~_any(left.present, left_keys, right_keys)
        both = stacked([left, Vector(right.labels, right.values, present)], right.values.shape[1])
        return both.with_labels(both.labels)
    matched = _any(right.present, right_keys, left_keys)
    present = left.present & (matched if node.operator == "and" else ~matched)
    return Vector(left.labels, left.values, present)


def _any(present: Flags, keys: list[Labels], wanted: list[Labels]) -> Flags:
    """(wanted, instants): whether any row with the wanted key is present."""
    groups = grouped(keys)
    result = np.zeros((len(wanted), present.shape[1]), np.bool_)
    for index, key in enumerate(wanted):
        result[index] = present[groups.get(key, [])].any(axis=0)
    return result


def _matched(node: Binary, left: Vector, right: Vector) -> Vector:
    """Arithmetic and comparisons: each series of the left side with one series of the right side."""
    groups = grouped(_signatures(right, node))
    _check_single(
        groups,
        right.present & left.present.any(axis=0),
        "found duplicate series for the match group on the right hand-side of the operation: "
        "many-to-many matching not allowed: matching labels must be unique on one side",
    )
    keys = _signatures(left, node)
    pairs = [(row, other) for row, key in enumerate(keys) for other in groups.get(key, ())]
    first, second = _rows(left, [row for row, _ in pairs]), _rows(right, [row for _, row in pairs])
    values, kept = _operated(node, first.values, second.values, first.values)
    present = first.present & second.present & kept
    if not node.group_left:
        _check_single(
            grouped(keys[row] for row, _ in pairs),
            present,
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)",
        )
    rows = [_result_labels(node, left.labels[row], right.labels[other]) for row, other in pairs]
    reason = "multiple matches for labels: grouping labels must ensure unique matches"
    return Vector(first.labels, values, present).with_labels(rows, reason)


def _check_single(groups: dict[Labels, list[int]], present: Flags, reason: str) -> None:
    """Raises `EvaluationFailed` if several rows of a group are present at an instant."""
    for rows in groups.values():
        if len(rows) > 1 and (present[rows].sum(axis=0) > 1).any():
            raise EvaluationFailed(reason)


def _rows(vector: Vector, rows: list[int]) -> Vector:
    if rows == list(range(len(vector.labels))):
        return vector
    names = tuple(vector.labels[row] for row in rows)
    return Vector(names, vector.values[rows], vector.present[rows])


def _result_labels(node: Binary, row: Labels, other: Labels) -> Labels:
    """As `resultMetric` of Prometheus; `row` is of the left side."""
    if not node.filters:
        row = drop(row, (METRIC_NAME,))
    if not node.group_left:
        return keep(row, node.names) if node.on else drop(row, node.names)
    included = dict(other)
    return labels(dict(row) | {name: included.get(name, "") for name in node.include})
