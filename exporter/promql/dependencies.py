"""Which rules read the series of which rules, and the order of their evaluation."""

from collections.abc import Iterator, Sequence

from exporter.promql.expression import Node, Selector, Subquery, children, selectors
from exporter.promql.rulefile import ALERTNAME, Rule
from exporter.promql.value import METRIC_NAME


class Dependencies:
    """Of rules by index, in the order in which Prometheus evaluates them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._writers: dict[str, list[int]] = {}
        for index, rule in enumerate(rules):
            for name in rule.metrics:
                self._writers.setdefault(name, []).append(index)
        self.reads = [
            {other for selector in selectors(rule.tree) for other in self.writers(selector)}
            for rule in rules
        ]

    def writers(self, selector: Selector) -> Iterator[int]:
        """The rules that may write series that match."""
        for name in self._writers if selector.name is None else (selector.name,):
            for index in self._writers.get(name, ()):
                rule = self._rules[index]
                known = {key: text for key, text in rule.labels.items() if "{{" not in text}
                known[METRIC_NAME] = name
                if rule.alert:
                    known[ALERTNAME] = rule.name
                if all(
                    matcher.name not in known or matcher.matches(known[matcher.name])
                    for matcher in selector.matchers
                ):
                    yield index

    def components(self) -> list[list[int]]:
        """Groups of rules that read each other in a circle, each group after those that it reads.

        The strongly connected components, by Tarjan's algorithm. It begins with rules that no other rule
        reads: their inputs are evaluated just before them, so few results are in memory together.
        """
        order: dict[int, int] = {}
        lowest: dict[int, int] = {}
        stack: list[int] = []
        result: list[list[int]] = []

        def visit(index: int) -> None:
            order[index] = lowest[index] = len(order)
            stack.append(index)
            for other in sorted(self.reads[index]):
                if other not in order:
                    visit(other)
                    lowest[index] = min(lowest[index], lowest[other])
                elif other in stack:
                    lowest[index] = min(lowest[index], order[other])
            if lowest[index] == order[index]:
                begin = stack.index(index)
                result.append(sorted(stack[begin:]))
                del stack[begin:]

        read: set[int] = set().union(*self.reads)
        for index in sorted(range(len(self._rules)), key=lambda index: index in read):
            if index not in order:
                visit(index)
        return result

    def is_circular(self, component: list[int]) -> bool:
        """Whether the component's rules read their own results."""
        return len(component) > 1 or component[0] in self.reads[component[0]]

    def unsafe_selectors(self, index: int) -> set[Selector]:
        """Selectors in subqueries that could see samples written after the rule's evaluation.

        A subquery has the same inner instant at several evaluations, which must see different samples.
        """
        unsafe = set()
        for selector, offset, fixed in _in_subqueries(self._rules[index].tree):
            later = any(other >= index for other in self.writers(selector))
            if fixed or offset < 0 or (offset == 0 and later):
                unsafe.add(selector)
        return unsafe


def _in_subqueries(
    node: Node, offset: int = 0, fixed: bool = False, inside: bool = False
) -> Iterator[tuple[Selector, int, bool]]:
    """Selectors in subqueries, with the sum of all offsets, and whether any has an @ modifier."""
    if isinstance(node, Selector):
        if inside:
            yield node, offset + node.offset, fixed or node.at is not None
        return
    if isinstance(node, Subquery):
        offset, fixed, inside = offset + node.offset, fixed or node.at is not None, True
    for child in children(node):
        yield from _in_subqueries(child, offset, fixed, inside)
