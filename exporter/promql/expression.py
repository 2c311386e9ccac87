"""The tree of an expression, made from promql-parser's, whose nodes are new objects at each access."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

import promql_parser

from exporter.promql.value import METRIC_NAME, Value

COMPARISONS: Final = frozenset(("==", "!=", ">", "<", ">=", "<="))
SET_OPERATORS: Final = frozenset(("and", "or", "unless"))


class Unsupported(Exception):
    """The expression can't be parsed, or something in it is not supported; the text says what."""

    def __init__(self, what: str, supported: Iterable[str] = ()) -> None:
        names = ", ".join(sorted(supported))
        super().__init__(f"{what} is not supported" + (f"; supported: {names}" if names else ""))


@dataclass(frozen=True, eq=False)
class Node:
    """A part of an expression; equal to itself only."""


@dataclass(frozen=True, eq=False)
class Number(Node):
    value: float


@dataclass(frozen=True, eq=False)
class Text(Node):
    value: str


@dataclass(frozen=True, eq=False)
class Matcher:
    """`pattern` is set for =~ and !~."""

    name: str
    value: str
    negative: bool
    pattern: re.Pattern[str] | None

    def matches(self, value: str) -> bool:
        equal = value == self.value if self.pattern is None else self.pattern.fullmatch(value)
        return bool(equal) != self.negative


@dataclass(frozen=True, eq=False)
class Selector(Node):
    """`offset` and `at` (Unix time) are in milliseconds."""

    matchers: tuple[Matcher, ...]
    offset: int
    at: int | None

    @property
    def name(self) -> str | None:
        """The metric's name when the selector allows only one."""
        for matcher in self.matchers:
            if matcher.name == METRIC_NAME and not matcher.negative and matcher.pattern is None:
                return matcher.value
        return None


@dataclass(frozen=True, eq=False)
class Range(Node):
    selector: Selector
    range: int


@dataclass(frozen=True, eq=False)
class Subquery(Node):
    """`step` is None for the default."""

    inner: Node
    range: int
    step: int | None
    offset: int
    at: int | None


@dataclass(frozen=True, eq=False)
class Matching:
    """`many` is the side with several series per match: left, right, or none."""

    on: bool
    names: tuple[str, ...]
    many: str = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Binary(Node):
    operator: str
    left: Node
    right: Node
    matching: Matching
    as_bool: bool


@dataclass(frozen=True, eq=False)
class Call(Node):
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Aggregate(Node):
    operator: str
    inner: Node
    parameter: Node | None
    without: bool
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fixed(Node):
    """A part that was evaluated before; `value` has all instants of its rule."""

    value: Value


def children(node: Node) -> Iterator[Node]:
    for field in fields(node):
        value = getattr(node, field.name)
        parts = value if isinstance(value, tuple) else (value,)
        yield from (part for part in parts if isinstance(part, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def selectors(node: Node) -> Iterator[Selector]:
    return (part for part in walk(node) if isinstance(part, Selector))


def parse(text: str) -> Node:
    """Raises `Unsupported`, and `ValueError` for what is no PromQL."""
    return _node(promql_parser.parse(text))


def milliseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else round(duration / timedelta(milliseconds=1))


def _node(tree: Any) -> Node:  # noqa: PLR0911
    match tree:
        case promql_parser.ParenExpr():
            return _node(tree.expr)
        case promql_parser.NumberLiteral():
            return Number(tree.val)
        case promql_parser.StringLiteral():
            return Text(tree.val)
        case promql_parser.VectorSelector():
            return _selector(tree)
        case promql_parser.MatrixSelector():
            return Range(_selector(tree.vector_selector), milliseconds(tree.range))
        case promql_parser.SubqueryExpr():
            step = None if tree.step is None else milliseconds(tree.step)
            return Subquery(
                _node(tree.expr),
                milliseconds(tree.range),
                step,
                milliseconds(tree.offset),
                _at(tree.at),
            )
        case promql_parser.UnaryExpr():
            return Binary("*", Number(-1.0), _node(tree.expr), Matching(False, ()), False)
        case promql_parser.BinaryExpr():
            return _binary(tree)
        case promql_parser.AggregateExpr():
            modifier = tree.modifier
            without = (
                modifier is not None and modifier.type == promql_parser.AggModifierType.Without
            )
            names = tuple(modifier.labels) if modifier else ()
            parameter = None if tree.param is None else _node(tree.param)
            return Aggregate(str(tree.op), _node(tree.expr), parameter, without, names)
        case promql_parser.Call():
            return Call(tree.func.name, tuple(map(_node, tree.args)))
    raise Unsupported(f"expression of type {type(tree).__name__}")


def _selector(tree: promql_parser.VectorSelector) -> Selector:
    if tree.matchers.or_matchers:
        raise Unsupported("operator 'or' between label matchers")
    matchers = [_matcher(matcher) for matcher in tree.matchers.matchers]
    if tree.name is not None:
        matchers.insert(0, Matcher(METRIC_NAME, tree.name, False, None))
    return Selector(tuple(matchers), milliseconds(tree.offset), _at(tree.at))


def _matcher(matcher: promql_parser.Matcher) -> Matcher:
    kinds = promql_parser.MatchOp
    pattern = None
    if matcher.op in (kinds.Re, kinds.NotRe):
        # Go's \d, \w and \s are ASCII.
        pattern = re.compile(matcher.value, re.ASCII)
    return Matcher(
        matcher.name, matcher.value, matcher.op in (kinds.NotEqual, kinds.NotRe), pattern
    )


def _at(modifier: promql_parser.AtModifier | None) -> int | None:
    if modifier is None:
        return None
    if modifier.at is None:
        raise Unsupported("modifier '@ start()' or '@ end()'")
    return round(modifier.at.timestamp() * 1000)


def _binary(tree: promql_parser.BinaryExpr) -> Binary:
    matching, as_bool = Matching(False, ()), False
    if modifier := tree.modifier:
        sides = promql_parser.VectorMatchCardinality
        fill = modifier.fill_values
        if fill and (fill.lhs is not None or fill.rhs is not None):
            raise Unsupported("modifier 'fill'")
        by, card = modifier.matching, modifier.card
        many = "left" if card == sides.ManyToOne else "right" if card == sides.OneToMany else ""
        matching = Matching(
            by is not None and by.type == promql_parser.LabelModifierType.Include,
            tuple(by.labels) if by else (),
            many,
            tuple(modifier.group_labels or ()),
        )
        as_bool = modifier.return_bool
    return Binary(str(tree.op), _node(tree.lhs), _node(tree.rhs), matching, as_bool)
