"""The evaluation of an expression at many instants at once."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from exporter.promql import aggregation, binary, functions, ranges
from exporter.promql.expression import (
    Aggregate,
    Binary,
    Call,
    Fixed,
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
from exporter.promql.selector import Instants, Settings, instant, reference, timestamps
from exporter.promql.selector import ranges as selected
from exporter.promql.value import METRIC_NAME, Flags, Scalar, Value, Vector, drop, merged
from exporter.promql.windows import Windows

_OVER_RANGES: Final = (*ranges.FUNCTIONS, "quantile_over_time", "absent_over_time")
_OTHERS: Final = (
    "absent",
    "clamp",
    "histogram_quantile",
    "label_join",
    "label_replace",
    "scalar",
    "sort",
    "sort_desc",
    "time",
    "timestamp",
    "vector",
)
FUNCTIONS: Final = frozenset((*functions.ELEMENTWISE, *_OVER_RANGES, *_OTHERS))


def prepared(text: str) -> Node:
    """The expression's tree. Raises `Unsupported`, and `ValueError` for what is no PromQL."""
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


@dataclass
class Evaluation:
    """Evaluates trees at `instants` over the samples of `store`.

    `failed`, (instants,), is where Prometheus would have refused, and `reasons` why. `part` are these
    instants among those of `Fixed` nodes.
    """

    store: Store
    instants: Instants
    settings: Settings = field(default_factory=Settings)
    part: slice = field(default_factory=lambda: slice(None))

    def __post_init__(self) -> None:
        self.failed: Flags = np.zeros(len(self.instants.at), np.bool_)
        self.reasons: list[str] = []

    def value(self, tree: Node) -> Value:
        with np.errstate(all="ignore"):
            return self._value(tree)

    def vector(self, tree: Node) -> Vector:
        """A scalar becomes a vector, as in a rule."""
        value = self.value(tree)
        return functions.vector(value) if isinstance(value, Scalar) else _vector(value)

    def fail(self, at: Flags, reason: str) -> None:
        if at.any():
            self.failed |= at
            self.reasons.append(reason)

    def _value(self, node: Node) -> Value:  # noqa: PLR0911
        match node:
            case Number():
                return Scalar(np.full(len(self.instants.at), node.value))
            case Text():
                return node.value
            case Fixed():
                return self._fixed(node)
            case Selector():
                return instant(self.store, node, self.instants, self.settings)
            case Binary():
                return binary.binary(
                    node, self._value(node.left), self._value(node.right), self.fail
                )
            case Aggregate():
                parameter = None if node.parameter is None else self._scalar(node.parameter).values
                if parameter is not None and node.operator in aggregation.RANKED:
                    self.fail(~(np.abs(parameter) < 2**63), "scalar value overflows int64")
                vector = _vector(self._value(node.inner))
                return aggregation.aggregated(
                    node.operator, vector, parameter, node.without, node.names
                )
            case Call():
                return self._call(node)
        raise AssertionError(f"{type(node).__name__} has no value of its own")

    def _fixed(self, node: Fixed) -> Value:
        value = node.value
        if isinstance(value, Scalar):
            return Scalar(value.values[self.part])
        if isinstance(value, Vector):
            return Vector(value.labels, value.values[:, self.part], value.present[:, self.part])
        return value

    def _scalar(self, node: Node) -> Scalar:
        value = self._value(node)
        assert isinstance(value, Scalar)
        return value

    def _call(self, node: Call) -> Value:  # noqa: PLR0911
        name, arguments = node.function, node.arguments
        if name in _OVER_RANGES:
            return self._over_range(name, arguments)
        match name:
            case "time":
                return functions.time(self.instants.at)
            case "timestamp":
                return self._timestamp(arguments[0])
            case "absent":
                flags = _vector(self._value(arguments[0])).present
                selector = arguments[0] if isinstance(arguments[0], Selector) else None
                return functions.absent(flags, selector)
            case _ if name in functions.OF_TIME and not arguments:
                now = functions.vector(functions.time(self.instants.at))
                return functions.elementwise(name, now, (), self.fail)
        values = [self._value(argument) for argument in arguments]
        scalars = [value for value in values if isinstance(value, Scalar)]
        if name == "vector":
            return functions.vector(scalars[0])
        (vector,) = (value for value in values if isinstance(value, Vector))
        texts = [value for value in values if isinstance(value, str)]
        match name:
            case "scalar":
                return functions.scalar(vector)
            case "sort" | "sort_desc":
                return vector
            case "clamp":
                return functions.clamp(vector, scalars[0], scalars[1], self.fail)
            case "histogram_quantile":
                return functions.histogram_quantile(scalars[0], vector)
            case "label_replace":
                return functions.label_replace(vector, texts, self.fail)
            case "label_join":
                return functions.label_join(vector, texts, self.fail)
        return functions.elementwise(name, vector, scalars, self.fail)

    def _timestamp(self, node: Node) -> Vector:
        if isinstance(node, Selector):
            vector = timestamps(self.store, node, self.instants, self.settings)
        else:
            vector = _vector(self._value(node))
            times = np.broadcast_to(self.instants.at / 1000, vector.values.shape)
            vector = Vector(vector.labels, times, vector.present)
        return vector.without_name(self.fail)

    def _over_range(self, name: str, arguments: tuple[Node, ...]) -> Vector:
        windows = list(self._windows(arguments[-1]))
        shape = (0, len(self.instants.at))
        if name == "absent_over_time":
            there = [part.with_count(1) for part in windows]
            range_ = arguments[0]
            selector = range_.selector if isinstance(range_, Range) else None
            flags = np.concatenate([np.zeros(shape, np.bool_), *there])
            return functions.absent(flags, selector)
        if name == "quantile_over_time":
            quantile = self._scalar(arguments[0]).values
            parts = [ranges.quantile_over_time(part, quantile) for part in windows]
        else:
            parts = [ranges.FUNCTIONS[name](part) for part in windows]
        rows = [row for part in windows for row in part.samples.labels]
        if name != "last_over_time":
            rows = [drop(row, (METRIC_NAME,)) for row in rows]
        if len(parts) == 1:
            return merged(rows, *parts[0], self.fail)
        values = np.concatenate([np.zeros(shape), *(part[0] for part in parts)])
        present = np.concatenate([np.zeros(shape, np.bool_), *(part[1] for part in parts)])
        return merged(rows, values, present, self.fail)

    def _windows(self, node: Node) -> list[Windows]:
        if isinstance(node, Range):
            return list(selected(self.store, node, self.instants, self.settings))
        assert isinstance(node, Subquery)
        return [self._subquery(node)]

    def _subquery(self, node: Subquery) -> Windows:
        """The inner expression at all multiples of the step that any instant's range has."""
        end = reference(node.at, node.offset, self.instants.at)
        step = node.step or self.settings.subquery_step
        first = -(-int(end.min() - node.range) // step) * step
        grid = np.arange(first, int(end.max()) + 1, step, dtype=np.int64)
        # A rule with such a subquery that could see too much is evaluated at one instant at a time.
        now = self.instants.now
        if now is not None:
            now = np.full_like(grid, now[0]) if len(now) == 1 else None
        inner = Evaluation(self.store, Instants(grid, now, self.instants.place), self.settings)
        vector = inner.vector(node.inner)
        samples = Samples.of(grid, vector.labels, vector.values, vector.present, gaps=True)
        windows = Windows.of(samples, end, end, node.range, self.settings.left_open)
        if inner.failed.any():
            counted = np.append(0, np.cumsum(inner.failed))
            self.fail(counted[windows.high] > counted[windows.low], inner.reasons[0])
        return windows


def _vector(value: Value) -> Vector:
    assert isinstance(value, Vector)
    return value
