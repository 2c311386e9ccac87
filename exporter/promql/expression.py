"""The tree of an expression. promql-parser's own nodes are new objects at each access, which is slow."""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

import promql_parser

from exporter.promql.value import METRIC_NAME, Value

COMPARISONS: Final = frozenset(("==", "!=", ">", "<", ">=", "<="))
SET_OPERATORS: Final = frozenset(("and", "or", "unless"))


class Unsupported(Exception):
    def __init__(self, part: str, supported: Iterable[str] = ()) -> None:
        names = ", ".join(sorted(supported))
        super().__init__(f"{part} is not supported" + (f"; supported: {names}" if names else ""))


@dataclass(frozen=True, eq=False)
class Node:
    """A part of an expression. Equal to itself only."""


@dataclass(frozen=True, eq=False)
class Number(Node):
    value: float


@dataclass(frozen=True, eq=False)
class Text(Node):
    """An argument of functions that are not supported."""


@dataclass(frozen=True, eq=False)
class Matcher:
    """A label matcher. `pattern` is set for `=~` and `!~`."""

    name: str
    value: str
    negative: bool
    pattern: re.Pattern[str] | None

    def matches(self, value: str) -> bool:
        equal = value == self.value if self.pattern is None else self.pattern.fullmatch(value)
        return bool(equal) != self.negative


@dataclass(frozen=True, eq=False)
class Selector(Node):
    """An instant vector selector; `offset` is in milliseconds."""

    matchers: tuple[Matcher, ...]
    offset: int

    @property
    def name(self) -> str | None:
        """The metric name; None if the selector may match several names."""
        for matcher in self.matchers:
            if matcher.name == METRIC_NAME and not matcher.negative and matcher.pattern is None:
                return matcher.value
        return None


@dataclass(frozen=True, eq=False)
class Range(Node):
    """A range vector selector; `length` is in milliseconds."""

    selector: Selector
    length: int


@dataclass(frozen=True, eq=False)
class Subquery(Node):
    """A subquery. Durations are in milliseconds; `step` is 0 for the default."""

    inner: Node
    length: int
    step: int
    offset: int


@dataclass(frozen=True, eq=False)
class Binary(Node):
    """A binary operator; `names` are the labels of `on`, or of `ignoring` when `on` is False.

    `group_left` permits several series of the left side per match; `include` are the labels that it copies.
    """

    operator: str
    left: Node
    right: Node
    on: bool = False
    names: tuple[str, ...] = ()
    group_left: bool = False
    include: tuple[str, ...] = ()

    @property
    def filters(self) -> bool:
        """Whether this is a comparison, which removes series instead of changing values."""
        return self.operator in COMPARISONS


@dataclass(frozen=True, eq=False)
class Call(Node):
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Aggregate(Node):
    """An aggregation by the labels `names`; `parameter` is the k of topk."""

    operator: str
    inner: Node
    parameter: Node | None
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Evaluated(Node):
    """A part whose value at all instants of its rule is already known."""

    value: Value


def children(node: Node) -> Iterator[Node]:
    for field in fields(node):
        value = getattr(node, field.name)
        parts = value if isinstance(value, tuple) else (value,)
        yield from (part for part in parts if isinstance(part, Node))


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def selectors(node: Node) -> Iterator[Selector]:
    return (part for part in walk(node) if isinstance(part, Selector))


def parse(text: str) -> Node:
    """The tree of an expression. Raises `Unsupported`, or `ValueError` for a syntax error."""
    return _node(promql_parser.parse(text))


def milliseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // timedelta(milliseconds=1)


def _node(tree: Any) -> Node:  # noqa: PLR0911
    match tree:
        case promql_parser.ParenExpr():
            return _node(tree.expr)
        case promql_parser.NumberLiteral():
            return Number(tree.val)
        case promql_parser.StringLiteral():
            return Text()
        case promql_parser.VectorSelector():
            return _selector(tree)
        case promql_parser.MatrixSelector():
            return Range(_selector(tree.vector_selector), milliseconds(tree.range))
        case promql_parser.SubqueryExpr():
            length, step = milliseconds(tree.range), milliseconds(tree.step)
            return Subquery(_node(tree.expr), length, step, _offset(tree))
        case promql_parser.UnaryExpr():
            return Binary("*", Number(-1.0), _node(tree.expr))
        case promql_parser.BinaryExpr():
            return _binary(tree)
        case promql_parser.AggregateExpr():
            modifier = tree.modifier
            if modifier and modifier.type == promql_parser.AggModifierType.Without:
                raise Unsupported("modifier 'without'")
            parameter = None if tree.param is None else _node(tree.param)
            names = tuple(modifier.labels) if modifier else ()
            return Aggregate(str(tree.op), _node(tree.expr), parameter, names)
        case promql_parser.Call():
            return Call(tree.func.name, tuple(map(_node, tree.args)))
    raise Unsupported(f"expression of type {type(tree).__name__}")


def _offset(tree: promql_parser.VectorSelector | promql_parser.SubqueryExpr) -> int:
    offset = milliseconds(tree.offset)
    if tree.at is not None:
        raise Unsupported("modifier '@'")
    if offset < 0:
        raise Unsupported("negative offset")
    return offset


def _selector(tree: promql_parser.VectorSelector) -> Selector:
    if tree.matchers.or_matchers:
        raise Unsupported("operator 'or' between label matchers")
    operators = promql_parser.MatchOp
    matchers = [] if tree.name is None else [Matcher(METRIC_NAME, tree.name, False, None)]
    for matcher in tree.matchers.matchers:
        negative = matcher.op in (operators.NotEqual, operators.NotRe)
        is_pattern = matcher.op in (operators.Re, operators.NotRe)
        pattern = _pattern(matcher.value) if is_pattern else None
        matchers.append(Matcher(matcher.name, matcher.value, negative, pattern))
    return Selector(tuple(matchers), _offset(tree))


def _pattern(text: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # Sets such as [[:alpha:]] and [a&&b] have another meaning in Go.
        warnings.simplefilter("error", FutureWarning)
        try:
            # Go's \d, \w and \s are ASCII.
            return re.compile(text, re.ASCII)
        except (re.error, FutureWarning):
            raise Unsupported(f"regular expression '{text}'") from None


def _binary(tree: promql_parser.BinaryExpr) -> Binary:
    operator, left, right = str(tree.op), _node(tree.lhs), _node(tree.rhs)
    modifier = tree.modifier
    if modifier is None:
        return Binary(operator, left, right)
    fill = modifier.fill_values
    if fill and (fill.lhs is not None or fill.rhs is not None):
        raise Unsupported("modifier 'fill'")
    if modifier.return_bool:
        raise Unsupported("modifier 'bool'")
    sides, matching = promql_parser.VectorMatchCardinality, modifier.matching
    if modifier.card == sides.OneToMany:
        raise Unsupported("modifier 'group_right'")
    return Binary(
        operator,
        left,
        right,
        on=matching is not None and matching.type == promql_parser.LabelModifierType.Include,
        names=tuple(matching.labels) if matching else (),
        group_left=modifier.card == sides.ManyToOne,
        include=tuple(modifier.group_labels or ()),
    )
