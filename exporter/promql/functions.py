"""Functions of instant vectors and scalars, as in Prometheus' promql/functions.go."""

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from exporter.promql.expression import Selector
from exporter.promql.quantile import of_buckets
from exporter.promql.value import (
    METRIC_NAME,
    Fail,
    Flags,
    Floats,
    Labels,
    Scalar,
    Times,
    Vector,
    drop,
    grouped,
    labels,
)

_DAY: Final = 86400.0
BUCKET: Final = "le"


def _round(values: Floats, nearest: Floats) -> Floats:
    """Ties are rounded up; multiplied by the inverse, as Prometheus does."""
    inverse = 1.0 / nearest
    return np.asarray(np.floor(values * inverse + 0.5) / inverse)


def _lower(left: Floats, right: Floats) -> Floats:
    """Go's `math.Min`: -Inf before NaN."""
    infinite = np.isneginf(left) | np.isneginf(right)
    return np.where(infinite, -np.inf, np.minimum(left, right))


def _higher(left: Floats, right: Floats) -> Floats:
    return -_lower(-left, -right)


def _fields(values: Floats) -> Floats:
    """Seconds as Go converts them to an integer: without their fraction."""
    return np.trunc(values)


ELEMENTWISE: Final[dict[str, Callable[..., Floats]]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": np.sign,
    "sqrt": np.sqrt,
    "round": _round,
    "clamp_min": _higher,
    "clamp_max": _lower,
    "day_of_week": lambda values: np.mod(np.floor_divide(_fields(values), _DAY) + 4, 7),
    "hour": lambda values: np.floor_divide(np.mod(_fields(values), _DAY), 3600),
    "minute": lambda values: np.floor_divide(np.mod(_fields(values), 3600), 60),
}
"""Of the values of a vector and, for some, of scalars."""
OF_TIME: Final = frozenset(("day_of_week", "hour", "minute"))
"""Without an argument, of the evaluation time."""
DEFAULTS: Final = {"round": 1.0}


def elementwise(function: str, vector: Vector, scalars: Sequence[Scalar], fail: Fail) -> Vector:
    arguments: list[Floats] = [scalar.values for scalar in scalars]
    if not arguments and function in DEFAULTS:
        arguments = [np.full(vector.values.shape[1], DEFAULTS[function])]
    values = ELEMENTWISE[function](vector.values, *arguments)
    return Vector(vector.labels, values, vector.present).without_name(fail)


def clamp(vector: Vector, low: Scalar, high: Scalar, fail: Fail) -> Vector:
    """No series where the bounds are the wrong way round."""
    values = _higher(low.values, _lower(high.values, vector.values))
    present = vector.present & ~(high.values < low.values)
    return Vector(vector.labels, values, present).without_name(fail)


def scalar(vector: Vector) -> Scalar:
    """The value of the only series; NaN where there is none or several."""
    alone = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(alone, values, np.nan))


def vector(value: Scalar) -> Vector:
    return Vector(((),), value.values[np.newaxis], np.ones((1, len(value.values)), np.bool_))


def time(at: Times) -> Scalar:
    return Scalar(at / 1000)


def absent(flags: Flags, selector: Selector | None) -> Vector:
    """1 where no row of `flags` is True, with the labels that the selector demands."""
    wanted: dict[str, str] = {}
    repeated = set()
    for matcher in selector.matchers if selector else ():
        equal = not matcher.negative and matcher.pattern is None
        if matcher.name in wanted or not equal:
            repeated.add(matcher.name)
        wanted[matcher.name] = matcher.value
    kept = {name: value for name, value in wanted.items() if name not in {METRIC_NAME, *repeated}}
    missing: Flags = ~np.asarray(flags.any(axis=0))
    return Vector((labels(kept),), np.ones((1, len(missing))), missing[np.newaxis])


def label_replace(value: Vector, texts: Sequence[str], fail: Fail) -> Vector:
    target, replacement, source, pattern = texts
    expression = re.compile(pattern, re.ASCII)

    def replaced(row: Labels) -> Labels:
        pairs = dict(row)
        match = expression.fullmatch(pairs.get(source, ""))
        return row if match is None else labels(pairs | {target: _expanded(match, replacement)})

    return value.with_labels([replaced(row) for row in value.labels], fail)


def label_join(value: Vector, texts: Sequence[str], fail: Fail) -> Vector:
    target, separator, *sources = texts

    def joined(row: Labels) -> Labels:
        pairs = dict(row)
        text = separator.join(pairs.get(name, "") for name in sources)
        return labels(pairs | {target: text})

    return value.with_labels([joined(row) for row in value.labels], fail)


def _expanded(match: re.Match[str], template: str) -> str:
    """Go's `Expand`: $1, ${1}, $name; $$ is a dollar sign, and what does not exist is empty."""

    def value(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        group = int(name) if name.isdigit() else name
        exists = group in match.re.groupindex or (
            isinstance(group, int) and group <= match.re.groups
        )
        return (match[group] or "") if exists else ""

    return re.sub(r"\$\$|\$(\w+)|\$\{(\w+)\}", value, template, flags=re.ASCII)


def histogram_quantile(quantile: Scalar, value: Vector) -> Vector:
    """Of classic histograms: series with a label `le`."""
    bounds = [_bound(dict(row).get(BUCKET, "")) for row in value.labels]
    places = [place for place, bound in enumerate(bounds) if bound is not None]
    groups = grouped([drop(value.labels[place], (BUCKET, METRIC_NAME)) for place in places])
    shape = len(groups), value.values.shape[1]
    values, present = np.empty(shape), np.empty(shape, np.bool_)
    for number, members in enumerate(groups.values()):
        edges = np.array([bounds[places[member]] for member in members], np.float64)
        order = np.argsort(edges, kind="stable")
        rows = [places[members[place]] for place in order]
        present[number] = value.present[rows].any(axis=0)
        values[number] = of_buckets(
            edges[order], value.values[rows], value.present[rows], quantile.values
        )
    return Vector(tuple(groups), values, present)


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
