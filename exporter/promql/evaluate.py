"""Evaluation of an expression at many instants at once."""

import re
from typing import Any, Final

import numpy as np

from exporter.promql import aggregation, binary, functions, ranges
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
    Text,
    Unsupported,
    parse,
    walk,
)
from exporter.promql.samples import Samples, Store
from exporter.promql.selector import Instants, Windows, instant, reference, windows
from exporter.promql.value import METRIC_NAME, Flags, Floats, Value, Vector, drop, stacked, vector

STEP: Final = 60_000
"""Milliseconds: the default evaluation interval of Prometheus, and step of subqueries."""
_OVER_RANGES: Final = (*ranges.FUNCTIONS, "quantile_over_time", "absent_over_time")
FUNCTIONS: Final = frozenset(
    (*functions.ELEMENTWISE, *functions.OTHERS, *_OVER_RANGES, "absent", "time", "timestamp")
)


def prepared(text: str) -> Node:
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
            case Aggregate() if node.operator not in aggregation.OPERATORS:
                raise Unsupported(f"aggregation '{node.operator}'", aggregation.OPERATORS)
            case Binary() if node.operator not in binary.OPERATORS:
                raise Unsupported(f"operator '{node.operator}'", binary.OPERATORS)
    return tree


class Evaluation:
    """Evaluates trees at `instants` over the samples of `store`.

    `step` is the default step of subqueries. `part` are these instants among those of `Evaluated` nodes.
    Afterwards `failed`, (instants,), tells where Prometheus would have refused, and `reasons` why.
    """

    def __init__(
        self, store: Store, instants: Instants, step: int = STEP, part: slice = slice(None)
    ) -> None:
        self.instants = instants
        self.failed: Flags = np.zeros(len(instants.at), np.bool_)
        self.reasons: list[str] = []
        self._store, self._step, self._part = store, step, part

    def value(self, tree: Node) -> Value:
        with np.errstate(all="ignore"):
            value: Value = self._value(tree)
        return value

    def vector(self, tree: Node) -> Vector:
        return vector(self.value(tree))

    def fail(self, at: Flags, reason: str) -> None:
        if at.any():
            self.failed |= at
            self.reasons.append(reason)

    def _value(self, node: Node) -> Any:  # noqa: PLR0911
        match node:
            case Number():
                return np.full(len(self.instants.at), node.value)
            case Text():
                return node.value
            case Evaluated(Vector() as value):
                return Vector(
                    value.labels, value.values[:, self._part], value.present[:, self._part]
                )
            case Evaluated(np.ndarray() as value):
                return value[self._part]
            case Selector():
                return instant(self._store, node, self.instants)
            case Binary():
                left, right = self._value(node.left), self._value(node.right)
                return binary.binary(node, left, right, self.fail)
            case Aggregate():
                return self._aggregate(node)
            case Call():
                return self._call(node)
        raise AssertionError(f"{type(node).__name__} has no value of its own")

    def _aggregate(self, node: Aggregate) -> Vector:
        parameter = np.zeros(0) if node.parameter is None else self._value(node.parameter)
        if node.operator in aggregation.RANKED:
            self.fail(~(np.abs(parameter) < 2**63), "scalar value overflows int64")
        return aggregation.aggregated(node, self._value(node.inner), parameter)

    def _call(self, node: Call) -> Value:  # noqa: PLR0911
        now = self.instants.at / 1000
        match node.function, node.arguments:
            case "time", _:
                return now
            case function, () if function in functions.OF_TIME:
                return vector(functions.OF_TIME[function](now))
            case "timestamp", (Selector() as argument,):
                of = instant(self._store, argument, self.instants, timestamps=True)
                return of.without_name(self.fail)
            case "timestamp", (argument,):
                of = self._value(argument)
                times = np.broadcast_to(now, of.values.shape)
                return Vector(of.labels, times, of.present).without_name(self.fail)
            case "absent", (argument,):
                selector = argument if isinstance(argument, Selector) else None
                return functions.absent(self._value(argument).present, selector)
            case function, arguments if function in _OVER_RANGES:
                return self._over_range(function, arguments)
        values = [self._value(argument) for argument in node.arguments]
        return functions.called(node.function, values, self.fail)

    def _over_range(self, function: str, arguments: tuple[Node, ...]) -> Vector:
        argument = arguments[-1]
        if isinstance(argument, Range):
            each = windows(self._store, argument, self.instants)
        else:
            assert isinstance(argument, Subquery)
            each = self._subquery(argument)
        quantile = self._value(arguments[0]) if function == "quantile_over_time" else np.zeros(0)
        parts = [_over_windows(function, part, quantile) for part in each]
        result = stacked(parts, len(self.instants.at))
        if function == "absent_over_time":
            selector = argument.selector if isinstance(argument, Range) else None
            return functions.absent(result.present, selector)
        rows = result.labels
        if function != "last_over_time":
            rows = tuple(drop(row, (METRIC_NAME,)) for row in rows)
        return result.with_labels(rows, self.fail)

    def _subquery(self, node: Subquery) -> list[Windows]:
        """The inner expression at all multiples of the step that are in the range of any instant."""
        end = reference(node, self.instants.at)
        step = node.step or self._step
        first = -(-int(end.min() - node.length) // step) * step
        grid = np.arange(first, int(end.max()) + 1, step, dtype=np.int64)
        if not len(grid):
            return []
        # A rule with a subquery that could see too much is evaluated at one instant at a time.
        now = self.instants.now
        if now is not None:
            now = np.full_like(grid, now[0]) if len(now) == 1 else None
        inner = Evaluation(self._store, Instants(grid, now, self.instants.rule), self._step)
        of = inner.vector(node.inner)
        samples = Samples.of(grid, of.labels, of.values, of.present, gaps=True)
        result = Windows.of(samples, end, end, node.length)
        if inner.failed.any():
            counted = np.append(0, np.cumsum(inner.failed))
            self.fail(counted[result.high] > counted[result.low], inner.reasons[0])
        return [result]


def _over_windows(function: str, part: Windows, quantile: Floats) -> Vector:
    present = part.at_least(2 if function in ranges.TWO_SAMPLES else 1)
    if function == "absent_over_time":
        values = np.ones((1, 1))
    elif function == "quantile_over_time":
        values = ranges.quantile_over_time(part, quantile)
    else:
        values = ranges.FUNCTIONS[function](part)
    return Vector(part.samples.labels, np.broadcast_to(values, present.shape), present)
