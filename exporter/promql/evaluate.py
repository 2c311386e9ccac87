"""Evaluation of an expression at many instants at once."""

import re
from typing import Any, Final

import numpy as np

from exporter.promql import binary, functions, ranges
from exporter.promql.expression import (
    Aggregate,
    Binary,
    Call,
    Evaluated,
    Node,
    Number,
    Range,
    Selector,
    Subquery,
    Unsupported,
    parse,
    walk,
)
from exporter.promql.ranges import Windows
from exporter.promql.samples import Samples, Store
from exporter.promql.value import METRIC_NAME, Times, Value, Vector, drop, stacked, vector

STEP: Final = 60_000
"""Milliseconds: the default evaluation interval of Prometheus, and step of subqueries."""
_OVER_RANGES: Final = frozenset((*ranges.FUNCTIONS, "quantile_over_time"))
FUNCTIONS: Final = frozenset((*functions.ELEMENTWISE, *_OVER_RANGES, "absent", "time", "vector"))


def parse_supported(text: str) -> Node:
    """The expression's tree. Raises `Unsupported`, or `ValueError` for a syntax error."""
    try:
        tree = parse(text)
    except ValueError as error:
        if unknown := re.search(r"unknown function with name ('\w+')", str(error)):
            raise Unsupported(f"function {unknown[1]}", FUNCTIONS) from None
        raise
    for node in walk(tree):
        match node:
            case Call() if node.function not in FUNCTIONS:
                raise Unsupported(f"function '{node.function}'", FUNCTIONS)
            case Call("quantile_over_time") if not _is_quantile(node.arguments[0]):
                raise Unsupported("quantile_over_time without a number from 0 to 1")
            case Aggregate() if node.operator not in functions.AGGREGATIONS:
                raise Unsupported(f"aggregation '{node.operator}'", functions.AGGREGATIONS)
            case Aggregate("topk") if not _is_count(node.parameter):
                raise Unsupported("topk with a parameter that is no number below 2^63")
            case Binary() if node.operator not in binary.OPERATORS:
                raise Unsupported(f"operator '{node.operator}'", binary.OPERATORS)
    return tree


def _is_quantile(node: Node) -> bool:
    return isinstance(node, Number) and 0 <= node.value <= 1


def _is_count(node: Node | None) -> bool:
    return isinstance(node, Number) and abs(node.value) < 2**63


class Evaluation:
    """Evaluates trees at the instants `at` over the samples of `store`.

    `rule` is the index of the expression's rule: it does not see
    the samples of later rules at the same instant. `Evaluated` nodes have values for more instants, of which
    `part` are those in `at`.
    """

    def __init__(
        self,
        store: Store,
        at: Times,
        rule: int | None = None,
        part: slice = slice(None),
    ) -> None:
        self.at = at
        self._store, self._rule, self._part = store, rule, part

    def value(self, tree: Node) -> Value:
        """Raises `EvaluationFailed`."""
        with np.errstate(all="ignore"):
            value: Value = self._value(tree)
        return value

    def _value(self, node: Node) -> Any:  # noqa: PLR0911
        match node:
            case Number():
                return np.full(len(self.at), node.value)
            case Evaluated(Vector(labels, values, present)):
                return Vector(labels, values[:, self._part], present[:, self._part])
            case Evaluated(np.ndarray() as value):
                return value[self._part]
            case Selector():
                return self._store.instant(node, self.at, self._rule)
            case Binary():
                left, right = self._value(node.left), self._value(node.right)
                return binary.binary(node, left, right)
            case Aggregate("topk", inner, Number(count), names):
                return functions.topk(count, self._value(inner), names)
            case Aggregate(operator, inner, _, names):
                return functions.aggregated(operator, self._value(inner), names)
            case Call("time"):
                return self.at / 1000
            case Call("vector", (argument,)):
                return vector(self._value(argument))
            case Call("absent", (argument,)):
                selector = argument if isinstance(argument, Selector) else None
                return functions.absent(self._value(argument).present, selector)
            case Call(function, arguments) if function in _OVER_RANGES:
                return self._over_range(function, arguments)
            case Call(function, arguments):
                of, *scalars = map(self._value, arguments)
                values = functions.ELEMENTWISE[function](of.values, *scalars)
                return Vector(of.labels, values, of.present).without_name()
        raise AssertionError(f"{type(node).__name__} has no value of its own")

    def _over_range(self, function: str, arguments: tuple[Node, ...]) -> Vector:
        range_ = arguments[-1]
        if isinstance(range_, Range):
            end = self.at - range_.selector.offset
            selected = self._store.select(range_.selector, self.at, self._rule)
            each = [
                Windows.of(samples, end, visible, range_.length) for samples, visible in selected
            ]
        else:
            assert isinstance(range_, Subquery)
            each = self._subquery(range_)
        parts = []
        for part in each:
            present = part.at_least(2 if function in ranges.TWO_SAMPLES else 1)
            if isinstance(arguments[0], Number):
                values = ranges.quantile_over_time(part, arguments[0].value)
            else:
                values = ranges.FUNCTIONS[function](part)
            parts.append(
                Vector(part.samples.labels, np.broadcast_to(values, present.shape), present)
            )
        result = stacked(parts, len(self.at))
        rows = result.labels
        if function != "last_over_time":
            rows = tuple(drop(row, (METRIC_NAME,)) for row in rows)
        return result.with_labels(rows)

    def _subquery(self, node: Subquery) -> list[Windows]:
        """The inner expression at all multiples of the step that are in the range of any instant."""
        end = self.at - node.offset
        step = node.step or STEP
        first = -(-int(end.min() - node.length) // step) * step
        grid = np.arange(first, int(end.max()) + 1, step, dtype=np.int64)
        if not len(grid):
            return []
        of = vector(Evaluation(self._store, grid).value(node.inner))
        samples = Samples(grid, of.labels, of.values, of.present)
        return [Windows.of(samples, end, end, node.length)]
