"""Which rules read the series of which rules, and the order of their evaluation."""

from collections.abc import Iterator, Sequence

from exporter.errors import UnsupportedRule
from exporter.promql.expression import Node, Selector, Subquery, children, selectors
from exporter.promql.rulefile import ALERTNAME, Rule
from exporter.promql.value import METRIC_NAME


class Dependencies:
    """Dependencies between rules. A rule's index is its place in Prometheus' order of evaluation.

    `order` has each rule after the rules that it reads. Raises `UnsupportedRule` for rules that read each
    other in a cycle, and for a rule with a subquery over its own or a later rule's results.
    """

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
        mistakes = [
            f"{rule}: a subquery over the rule's own or a later rule's results is not supported"
            for index, rule in enumerate(rules)
            if any(
                writer >= index
                for selector in _in_subqueries(rule.tree)
                for writer in self.writers(selector)
            )
        ]
        if mistakes:
            raise UnsupportedRule(*mistakes)
        self.order = self._order()

    def writers(self, selector: Selector) -> Iterator[int]:
        """The rules that may write series that match."""
        for name in self._writers if selector.name is None else (selector.name,):
            for index in self._writers.get(name, ()):
                rule = self._rules[index]
                known = {**rule.labels, METRIC_NAME: name}
                if rule.alert:
                    known[ALERTNAME] = rule.name
                if all(
                    matcher.name not in known or matcher.matches(known[matcher.name])
                    for matcher in selector.matchers
                ):
                    yield index

    def _order(self) -> list[int]:
        """The order of evaluation, with each rule's inputs just before it: few results are in memory at once.

        Starts at the rules that no other rule reads.
        """
        order: list[int] = []

        def visit(index: int, path: tuple[int, ...]) -> None:
            if index in path:
                raise UnsupportedRule(f"{self._rules[index]}: a cycle of rules is not supported")
            for other in sorted(self.reads[index] - {index, *order}):
                visit(other, (*path, index))
            if index not in order:
                order.append(index)

        read: set[int] = set().union(*self.reads)
        for index in sorted(range(len(self._rules)), key=lambda index: index in read):
            visit(index, ())
        return order


def _in_subqueries(node: Node, inside: bool = False) -> Iterator[Selector]:
    """Selectors in subqueries, without selectors that an offset moves into the past."""
    if isinstance(node, Selector):
        if inside and not node.offset:
            yield node
        return
    if isinstance(node, Subquery):
        if node.offset:
            return
        inside = True
    for child in children(node):
        yield from _in_subqueries(child, inside)
