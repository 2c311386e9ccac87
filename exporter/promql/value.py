"""Values of expressions at many instants: vectors of labeled series, and scalars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]
Times = NDArray[np.int64]
"""Unix milliseconds, the resolution of Prometheus."""
Labels = tuple[tuple[str, str], ...]
"""Names and values in order of name, as `labels` makes them; no value is empty."""
Fail = Callable[[Flags, str], None]
"""Takes the instants at which the evaluation fails, and why."""

METRIC_NAME: Final = "__name__"


@dataclass(frozen=True, slots=True)
class Vector:
    """A row per series, a column per instant.

    `present` says where a series has a value; elsewhere `values` is anything. A mask and not a NaN, since
    a rule's value can be NaN (a ratio 0/0) and is then there: it matches, is counted and keeps an alert.
    """

    labels: tuple[Labels, ...]
    values: Floats
    present: Flags

    def with_labels(self, labels: Sequence[Labels], fail: Fail) -> "Vector":
        """The same series under other labels; those that are now equal become one series."""
        return merged(labels, self.values, self.present, fail)

    def without_name(self, fail: Fail) -> "Vector":
        return self.with_labels([drop(row, (METRIC_NAME,)) for row in self.labels], fail)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number per instant."""

    values: Floats


Value = Vector | Scalar | str


def labels(pairs: dict[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def drop(row: Labels, names: Sequence[str]) -> Labels:
    return tuple(pair for pair in row if pair[0] not in names)


def keep(row: Labels, names: Sequence[str]) -> Labels:
    return tuple(pair for pair in row if pair[0] in names)


def take(array: NDArray[Any], places: Rows) -> NDArray[Any]:
    """Along the last axis, at places that are each row's own or, in one row, those of all rows."""
    if len(places) == 1:
        return np.asarray(array.take(places[0], axis=-1))
    return np.take_along_axis(array, places, axis=-1)


def grouped(keys: Sequence[Labels]) -> dict[Labels, list[int]]:
    """The places of each key, in order."""
    groups: dict[Labels, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return groups


def merged(rows: Sequence[Labels], values: Floats, present: Flags, fail: Fail) -> Vector:
    """A vector of rows of which several may have the same labels, though not at the same instant."""
    groups = grouped(rows)
    if len(groups) == len(rows):
        return Vector(tuple(rows), values, present)
    first = [places[0] for places in groups.values()]
    result = Vector(tuple(groups), values[first], present[first])
    for place, places in enumerate(groups.values()):
        for other in places[1:]:
            both = result.present[place] & present[other]
            fail(both, "vector cannot contain metrics with the same labelset")
            np.copyto(result.values[place], values[other], where=present[other])
            result.present[place] |= present[other]
    return result
