"""Which rules read what other rules write, and the order to evaluate them in."""

from collections.abc import Iterator, Sequence
from typing import Final

from exporter.promql.expression import Node, Selector, Subquery, children, selectors
from exporter.promql.rulefile import ALERTNAME, Rule
from exporter.promql.value import METRIC_NAME

ALERTS: Final = "ALERTS"
FOR_STATE: Final = "ALERTS_FOR_STATE"


class Dependencies:
    """Of rules by their places, which are the order in which Prometheus evaluates them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._writers: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            for name in (ALERTS, FOR_STATE) if rule.alert else (rule.name,):
                self._writers.setdefault(name, []).append(place)
        self.read = [
            {other for selector in selectors(rule.tree) for other in self.writers(selector)}
            for rule in rules
        ]

    def writers(self, selector: Selector) -> Iterator[int]:
        """The rules that may write series that match."""
        names = self._writers if selector.name is None else (selector.name,)
        for name in names:
            for place in self._writers.get(name, ()):
                rule = self._rules[place]
                known = {key: text for key, text in rule.labels.items() if "{{" not in text}
                known[METRIC_NAME] = name
                if rule.alert:
                    known[ALERTNAME] = rule.name
                if all(
                    matcher.name not in known or matcher.matches(known[matcher.name])
                    for matcher in selector.matchers
                ):
                    yield place

    def components(self) -> list[list[int]]:
        """Rules that read each other in a circle together, every other rule alone, each after all that
        it reads."""
        count = len(self._rules)
        reach = [sum(1 << other for other in read) for read in self.read]
        for middle in range(count):
            for place in range(count):
                if reach[place] >> middle & 1:
                    reach[place] |= reach[middle]
        members = [
            [
                other
                for other in range(count)
                if other == place or (reach[place] >> other & 1 and reach[other] >> place & 1)
            ]
            for place in range(count)
        ]
        ordered: list[list[int]] = []
        visited: set[int] = set()

        def visit(place: int) -> None:
            if place in visited:
                return
            visited.update(members[place])
            for member in members[place]:
                for other in sorted(self.read[member]):
                    visit(other)
            ordered.append(members[place])

        # From the rules that no other reads: what they need is then evaluated just before, and few
        # results are kept at the same time.
        needed: set[int] = set().union(*self.read)
        for place in (*(place for place in range(count) if place not in needed), *range(count)):
            visit(place)
        return ordered

    def circular(self, places: list[int]) -> bool:
        """Whether the component's rules read their own results."""
        return len(places) > 1 or places[0] in self.read[places[0]]

    def unsafe(self, place: int) -> set[Selector]:
        """Selectors in subqueries that could see what is written only after the rule's evaluation.

        In a subquery the same inner instant is seen at several evaluations; what is visible then differs.
        """
        unsafe = set()
        for selector, offset, fixed in _in_subqueries(self._rules[place].tree):
            later = any(other >= place for other in self.writers(selector))
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
