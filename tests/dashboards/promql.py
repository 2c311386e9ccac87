"""Metrics of a query, from its syntax tree."""

from collections.abc import Iterator
from typing import Any

import promql_parser

CHILDREN = ("lhs", "rhs", "expr", "param", "args", "vector_selector")


def nodes(expr: Any) -> Iterator[Any]:
    """The tree, root first."""
    yield expr
    for name in CHILDREN:
        children = getattr(expr, name, None)
        for child in children if isinstance(children, list) else [children]:
            if child is not None:
                yield from nodes(child)


def parsed(expr: str) -> list[Any]:
    """All nodes; raises ValueError for text that is not PromQL."""
    return list(nodes(promql_parser.parse(expr)))


def metrics(expr: str) -> set[str]:
    """Names of selected metrics."""
    selectors = (node for node in parsed(expr) if isinstance(node, promql_parser.VectorSelector))
    return {node.name or "" for node in selectors}
