"""Operators between two values, and the matching of their series."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from exporter.promql.expression import COMPARISONS, SET_OPERATORS, Binary, Matching
from exporter.promql.value import (
    METRIC_NAME,
    Fail,
    Flags,
    Floats,
    Labels,
    Scalar,
    Value,
    Vector,
    drop,
    grouped,
    keep,
    labels,
    merged,
)

OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
OPERATORS: Final = frozenset((*OPERATIONS, *SET_OPERATORS))


def binary(node: Binary, left: Value, right: Value, fail: Fail) -> Value:
    """Calls `fail` where Prometheus refuses to match several series with several."""
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return Scalar(np.asarray(OPERATIONS[node.operator](left.values, right.values), np.float64))
    if isinstance(left, Vector) and isinstance(right, Vector):
        if node.operator in SET_OPERATORS:
            return _combined(node, left, right, fail)
        return _matched(node, left, right, fail)
    return _with_scalar(node, left, right, fail)


def _with_scalar(node: Binary, left: Value, right: Value, fail: Fail) -> Vector:
    vector = left if isinstance(left, Vector) else right
    assert isinstance(vector, Vector)
    assert not isinstance(left, str)
    assert not isinstance(right, str)
    values, kept = _operated(node, left.values, right.values, vector.values)
    result = Vector(
        vector.labels, values, vector.present if kept is None else vector.present & kept
    )
    return result.without_name(fail) if _drops_name(node) else result


def _operated(
    node: Binary, left: Floats, right: Floats, shown: Floats
) -> tuple[Floats, Flags | None]:
    """Values, and where a comparison without `bool` keeps them; it keeps those of `shown`."""
    result = OPERATIONS[node.operator](left, right)
    if node.operator in COMPARISONS and not node.as_bool:
        return shown, result
    return np.asarray(result, np.float64), None


def _drops_name(node: Binary) -> bool:
    return node.operator not in COMPARISONS or node.as_bool


def _signature(row: Labels, matching: Matching) -> Labels:
    if matching.on:
        return keep(row, matching.names)
    return drop(row, (METRIC_NAME, *matching.names))


def _combined(node: Binary, left: Vector, right: Vector, fail: Fail) -> Vector:
    """and, unless, or."""
    of_left = [_signature(row, node.matching) for row in left.labels]
    of_right = [_signature(row, node.matching) for row in right.labels]
    if node.operator == "or":
        present = right.present & ~_any(left.present, of_left, of_right)
        return merged(
            left.labels + right.labels,
            np.concatenate([left.values, right.values]),
            np.concatenate([left.present, present]),
            fail,
        )
    there = _any(right.present, of_right, of_left)
    present = left.present & (there if node.operator == "and" else ~there)
    return Vector(left.labels, left.values, present)


def _any(present: Flags, signatures: list[Labels], wanted: list[Labels]) -> Flags:
    """(wanted, instants): where any row with the wanted signature is present."""
    groups = grouped(signatures)
    result = np.zeros((len(wanted), present.shape[1]), np.bool_)
    for place, signature in enumerate(wanted):
        if rows := groups.get(signature):
            result[place] = present[rows].any(axis=0) if len(rows) > 1 else present[rows[0]]
    return result


def _matched(node: Binary, left: Vector, right: Vector, fail: Fail) -> Vector:
    """Arithmetic and comparisons: each series of the side of many with the one of the other side."""
    matching = node.matching
    swapped = matching.many == "right"
    many, single = (right, left) if swapped else (left, right)
    groups = grouped([_signature(row, matching) for row in single.labels])
    _check_single(groups, many, single, "left" if swapped else "right", fail)
    signatures = [_signature(row, matching) for row in many.labels]
    pairs = [
        (row, other)
        for row, signature in enumerate(signatures)
        for other in groups.get(signature, ())
    ]
    ours = _taken(many, [pair[0] for pair in pairs])
    others = _taken(single, [pair[1] for pair in pairs])
    first, second = (others, ours) if swapped else (ours, others)
    values, kept = _operated(node, first.values, second.values, first.values)
    present = ours.present & others.present
    if kept is not None:
        present &= kept
    if not matching.many:
        matches = grouped([signatures[row] for row, _ in pairs])
        fail(
            _several(matches, present),
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)",
        )
    names = [
        _result(row, other, node) for row, other in zip(ours.labels, others.labels, strict=True)
    ]

    def duplicate(at: Flags, _: str) -> None:
        fail(at, "multiple matches for labels: grouping labels must ensure unique matches")

    return merged(names, values, present, duplicate)


def _check_single(
    groups: dict[Labels, list[int]], many: Vector, single: Vector, side: str, fail: Fail
) -> None:
    fail(
        _several(groups, single.present) & many.present.any(axis=0),
        f"found duplicate series for the match group on the {side} hand-side of the operation: "
        "many-to-many matching not allowed: matching labels must be unique on one side",
    )


def _several(groups: dict[Labels, list[int]], present: Flags) -> Flags:
    """(instants,): where several rows of a group are present."""
    result = np.zeros(present.shape[1], np.bool_)
    for rows in groups.values():
        if len(rows) > 1:
            result |= present[rows].sum(axis=0) > 1
    return result


def _taken(vector: Vector, rows: list[int]) -> Vector:
    if rows == list(range(len(vector.labels))):
        return vector
    names = tuple(vector.labels[row] for row in rows)
    return Vector(names, vector.values[rows], vector.present[rows])


def _result(row: Labels, other: Labels, node: Binary) -> Labels:
    """`resultMetric`: the labels of a match, `row` being of the side of many."""
    matching = node.matching
    if _drops_name(node):
        row = drop(row, (METRIC_NAME,))
    if not matching.many:
        return keep(row, matching.names) if matching.on else drop(row, matching.names)
    included = dict(other)
    return labels(dict(row) | {name: included.get(name, "") for name in matching.include})
