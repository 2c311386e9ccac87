"""Functions of instant vectors and scalars, as in Prometheus' promql/functions.go."""

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from exporter.promql.expression import Selector
from exporter.promql.quantile import of_buckets
from exporter.promql.value import (
    METRIC_NAME,
    Fail,
    Flags,
    Floats,
    Labels,
    Value,
    Vector,
    drop,
    grouped,
    labels,
    vector,
)

_DAY: Final = 86400.0


def _round(values: Floats, nearest: Floats | float = 1.0) -> Floats:
    """Ties are rounded up. Multiplies by the inverse, as Prometheus does."""
    inverse = 1.0 / nearest
    return np.asarray(np.floor(values * inverse + 0.5) / inverse)


def _minimum(left: Floats, right: Floats) -> Floats:
    """Go's `math.Min`: -Inf is below NaN."""
    infinite = np.isneginf(left) | np.isneginf(right)
    return np.where(infinite, -np.inf, np.minimum(left, right))


def _maximum(left: Floats, right: Floats) -> Floats:
    return -_minimum(-left, -right)


# Go converts times to integers: it drops the fraction.
OF_TIME: Final[dict[str, Callable[[Floats], Floats]]] = {
    "day_of_week": lambda values: np.mod(np.floor_divide(np.trunc(values), _DAY) + 4, 7),
    "hour": lambda values: np.floor_divide(np.mod(np.trunc(values), _DAY), 3600),
    "minute": lambda values: np.floor_divide(np.mod(np.trunc(values), 3600), 60),
}
"""Without an argument, of the evaluation time."""
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
    "clamp_min": _maximum,
    "clamp_max": _minimum,
    **OF_TIME,
}
"""Of the values of a vector and, for some, of scalars."""


def called(function: str, arguments: list[Any], fail: Fail) -> Value:
    """The value of a function of `ELEMENTWISE` or `OTHERS`."""
    if function in OTHERS:
        return OTHERS[function](arguments, fail)
    of, *scalars = arguments
    values = ELEMENTWISE[function](of.values, *scalars)
    return Vector(of.labels, values, of.present).without_name(fail)


def _clamp(arguments: list[Any], fail: Fail) -> Vector:
    """No series where the lower bound is above the upper bound."""
    of, low, high = arguments
    values = _maximum(low, _minimum(high, of.values))
    return Vector(of.labels, values, of.present & ~(high < low)).without_name(fail)


def _scalar(arguments: list[Any], _: Fail) -> Floats:
    """The value of the only series; NaN without any or with several."""
    (of,) = arguments
    values = np.where(of.present, of.values, 0.0).sum(axis=0)
    return np.where(of.present.sum(axis=0) == 1, values, np.nan)


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


def _label_replace(arguments: list[Any], fail: Fail) -> Vector:
    of, target, replacement, source, pattern = arguments
    expression = re.compile(pattern, re.ASCII)

    def replaced(row: Labels) -> Labels:
        pairs = dict(row)
        match = expression.fullmatch(pairs.get(source, ""))
        return row if match is None else labels(pairs | {target: _expanded(match, replacement)})

    result: Vector = of.with_labels(map(replaced, of.labels), fail)
    return result


def _label_join(arguments: list[Any], fail: Fail) -> Vector:
    of, target, separator, *sources = arguments

    def joined(row: Labels) -> Labels:
        pairs = dict(row)
        return labels(pairs | {target: separator.join(pairs.get(name, "") for name in sources)})

    result: Vector = of.with_labels(map(joined, of.labels), fail)
    return result


def _expanded(match: re.Match[str], template: str) -> str:
    """Go's `Expand`: $1, ${1}, $name; $$ is a dollar sign, an unknown group is empty."""

    def value(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return re.sub(r"\$\$|\$(\w+)|\$\{(\w+)\}", value, template, flags=re.ASCII)


def _histogram_quantile(arguments: list[Any], _: Fail) -> Vector:
    """Of classic histograms: series with a label `le`."""
    quantile, of = arguments
    bounds = {}
    for row, names in enumerate(of.labels):
        try:
            bounds[row] = float(dict(names).get("le", ""))
        except ValueError:
            continue
    ascending = sorted(bounds, key=lambda row: bounds[row])
    groups = grouped(drop(of.labels[row], ("le", METRIC_NAME)) for row in ascending)
    shape = len(groups), of.values.shape[1]
    values, present = np.empty(shape), np.empty(shape, np.bool_)
    for index, members in enumerate(groups.values()):
        rows = [ascending[member] for member in members]
        edges = np.array([bounds[row] for row in rows])
        present[index] = of.present[rows].any(axis=0)
        values[index] = of_buckets(edges, of.values[rows], of.present[rows], quantile)
    return Vector(tuple(groups), values, present)


OTHERS: Final[dict[str, Callable[[list[Any], Fail], Value]]] = {
    "clamp": _clamp,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "scalar": _scalar,
    # The results of rules have no order.
    "sort": lambda arguments, _: arguments[0],
    "sort_desc": lambda arguments, _: arguments[0],
    "vector": lambda arguments, _: vector(arguments[0]),
}
