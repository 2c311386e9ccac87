"""Values of expressions at many instants: vectors of labeled series, and scalars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indexes = NDArray[np.intp]
Times = NDArray[np.int64]
"""Unix milliseconds, the resolution of Prometheus."""
Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name, without empty values, as `labels` makes them."""

METRIC_NAME: Final = "__name__"
SAME_LABELS: Final = "vector cannot contain metrics with the same labelset"


class EvaluationFailed(Exception):
    """Prometheus, too, fails to evaluate the expression at one of the instants."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A row per series, a column per instant.

    `present` tells where a series has a value; `values` is undefined elsewhere. NaN cannot mark an absent
    value: a ratio 0/0 is NaN and present, so it matches, is counted and keeps an alert active.
    """

    labels: tuple[Labels, ...]
    values: Floats
    present: Flags

    def without_name(self) -> "Vector":
        return self.with_labels([drop(row, (METRIC_NAME,)) for row in self.labels])

    def with_labels(self, rows: Iterable[Labels], reason: str = SAME_LABELS) -> "Vector":
        """The values under other labels; series with equal labels become one series.

        Raises `EvaluationFailed` if several of these series are present at an instant.
        """
        rows = tuple(rows)
        groups = grouped(rows)
        if len(groups) == len(rows):
            return Vector(rows, self.values, self.present)
        first = [members[0] for members in groups.values()]
        values, present = self.values[first], self.present[first]
        for index, members in enumerate(groups.values()):
            for row in members[1:]:
                if (present[index] & self.present[row]).any():
                    raise EvaluationFailed(reason)
                np.copyto(values[index], self.values[row], where=self.present[row])
                present[index] |= self.present[row]
        return Vector(tuple(groups), values, present)


Value = Vector | Floats
"""A scalar is an array with a number per instant."""


def vector(value: Value) -> Vector:
    """A scalar becomes a series without labels."""
    if isinstance(value, Vector):
        return value
    return Vector(((),), value[np.newaxis], np.ones((1, len(value)), np.bool_))


def stacked(parts: Sequence[Vector], instants: int) -> Vector:
    if len(parts) == 1:
        return parts[0]
    return Vector(
        tuple(row for part in parts for row in part.labels),
        np.concatenate([np.zeros((0, instants)), *(part.values for part in parts)]),
        np.concatenate([np.zeros((0, instants), np.bool_), *(part.present for part in parts)]),
    )


def labels(pairs: dict[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def drop(row: Labels, names: Sequence[str]) -> Labels:
    return tuple(pair for pair in row if pair[0] not in names)


def keep(row: Labels, names: Sequence[str]) -> Labels:
    return tuple(pair for pair in row if pair[0] in names)


def take(array: NDArray[Any], indexes: Indexes) -> NDArray[Any]:
    """Selects columns; `indexes` has a row per row of `array`, or one row for all."""
    if len(indexes) != 1:
        return np.take_along_axis(array, indexes, axis=-1)
    if np.array_equal(indexes[0], np.arange(array.shape[-1])):
        return array
    return np.asarray(array.take(indexes[0], axis=-1))


def grouped(rows: Iterable[Labels]) -> dict[Labels, list[int]]:
    """The indexes of the rows with each set of labels."""
    groups: dict[Labels, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row, []).append(index)
    return groups
