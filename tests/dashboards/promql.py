"""What a query reads and groups by, from its syntax tree."""

from collections.abc import Iterator
from typing import Any

import promql_parser

CHILDREN = ("lhs", "rhs", "expr", "param", "args", "vector_selector")


def nodes(expr: Any) -> Iterator[Any]:
    """The tree, root first."""
    yield expr
    for name in CHILDREN:
        found = getattr(expr, name, None)
        for child in found if isinstance(found, list) else [found]:
            if child is not None:
                yield from nodes(child)


def parsed(expr: str) -> list[Any]:
    """All nodes; raises ValueError for what is not PromQL."""
    return list(nodes(promql_parser.parse(expr)))


def metrics(expr: str) -> set[str]:
    """Names of what is selected."""
    return {one.name or "" for one in parsed(expr) if isinstance(one, promql_parser.VectorSelector)}


def labels(expr: str) -> set[str]:
    """Labels that are matched, grouped by or joined on."""
    found: set[str] = set()
    for one in parsed(expr):
        if isinstance(one, promql_parser.VectorSelector):
            found |= {matcher.name for matcher in one.matchers.matchers}
        elif isinstance(one, promql_parser.AggregateExpr) and one.modifier:
            found |= set(one.modifier.labels)
        elif isinstance(one, promql_parser.BinaryExpr) and one.modifier:
            found |= set(one.modifier.matching.labels if one.modifier.matching else ())
            found |= set(one.modifier.group_labels or ())
    return found


def made(expr: str) -> set[str]:
    """Labels that the query itself adds, for what is shown."""
    return {
        one.args[1].val
        for one in parsed(expr)
        if isinstance(one, promql_parser.Call) and one.func.name in ("label_join", "label_replace")
    }


def ranges(expr: str) -> list[tuple[str, str]]:
    """Metric and range of each range selector over scraped or recorded series."""
    return [
        (
            one.vector_selector.name,
            promql_parser.display_duration(one.range),
        )
        for one in parsed(expr)
        if isinstance(one, promql_parser.MatrixSelector)
    ]
