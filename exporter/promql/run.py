"""Rule files over a history: the recorded series, and when each alert fires."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.errors import ConfigError, UnsupportedRule
from exporter.promql.evaluate import STEP, Evaluation
from exporter.promql.expression import Selector, Subquery, selectors, walk
from exporter.promql.recursion import recursive_result
from exporter.promql.results import result
from exporter.promql.rulefile import ALERTNAME, Group, Rule
from exporter.promql.samples import Samples, Store
from exporter.promql.value import METRIC_NAME, EvaluationFailed, Times, drop


@dataclass(frozen=True, slots=True)
class Firing:
    """Fires from `start` to before `end`, Unix seconds; `end` is None if it fires at the last evaluation."""

    rule: Rule
    labels: dict[str, str]
    start: float
    end: float | None


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
                for part in walk(rule.tree)
                if isinstance(part, Subquery)
                for selector in selectors(part)
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
        """The order of evaluation: each rule's inputs just before it, so that few results are in memory."""
        order: list[int] = []

        def visit(index: int, path: tuple[int, ...]) -> None:
            if index in path:
                raise UnsupportedRule(f"{self._rules[index]}: a cycle of rules is not supported")
            for other in sorted(self.reads[index] - {index, *order}):
                visit(other, (*path, index))
            if index not in order:
                order.append(index)

        read: set[int] = set().union(*self.reads)
        # Starts at the rules that no other rule reads.
        for index in sorted(range(len(self._rules)), key=lambda index: index in read):
            visit(index, ())
        return order


class Run:
    """Evaluates `groups` from `first` to `last` (Unix seconds) over the scraped series.

    Groups are evaluated in the given order at `first` and every interval after it. A rule reads the results
    of earlier groups and rules up to its own instant, and its own and later results up to just before it.
    `store` has the scraped series; results are dropped when no rule needs them any more, unless `keep`.
    Memory: 9 bytes per series and instant. Raises `UnsupportedRule` as `Dependencies`, and `ConfigError` for
    a rule whose evaluation fails.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scraped: Iterable[Samples],
        first: float,
        last: float,
        *,
        keep: bool = False,
    ) -> None:
        self.firings: list[Firing] = []
        self.store = Store(scraped)
        rules: list[Rule] = []
        times: list[Times] = []
        for group in groups:
            every = group.interval or STEP
            rules += group.rules
            instants = np.arange(round(first * 1000), round(last * 1000) + 1, every, dtype=np.int64)
            times += [instants] * len(group.rules)
        dependencies = Dependencies(rules)
        last_reader = {
            index: reader for reader in dependencies.order for index in dependencies.reads[reader]
        }
        for index in dependencies.order:
            rule = rules[index]
            try:
                samples = self._result(rule, index, times[index], dependencies)
            except EvaluationFailed as error:
                raise ConfigError(f"{rule}: the evaluation fails: {error}") from None
            if rule.alert:
                self.firings += _firings(rule, samples)
            for written in (*dependencies.reads[index], index):
                if not keep and last_reader.get(written, index) == index:
                    self.store.discard(written)

    def _result(self, rule: Rule, index: int, times: Times, dependencies: Dependencies) -> Samples:
        own = {part for part in selectors(rule.tree) if index in dependencies.writers(part)}
        if own:
            return recursive_result(rule, index, times, self.store, own)
        samples = result(rule, Evaluation(self.store, times, index))
        self.store.add(samples, index)
        return samples


def _firings(rule: Rule, written: Samples) -> Iterator[Firing]:
    """The firings in an alerting rule's samples."""
    times = (written.times / 1000).tolist()
    for row, firing in zip(written.labels, written.present, strict=True):
        if ("alertstate", "firing") in row:
            names = dict(drop(row, (METRIC_NAME, "alertstate")))
            edges = np.flatnonzero(np.diff(firing, prepend=False, append=False)).tolist()
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                over = times[end] if end < len(times) else None
                yield Firing(rule, names, times[begin], over)
