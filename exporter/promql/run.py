"""Rule files over a history: the recorded series, and when each alert fires."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.promql.dependencies import Dependencies
from exporter.promql.evaluate import STEP, Evaluation, prepared
from exporter.promql.expression import Selector
from exporter.promql.feedback import Feedback
from exporter.promql.results import firings, result
from exporter.promql.rulefile import Group, Rule
from exporter.promql.samples import Samples, Store
from exporter.promql.selector import Instants
from exporter.promql.value import Flags, Vector


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert with these labels, active from `active`, firing from `start` to `end`, Unix seconds.

    `end` is None if the alert fires at the last evaluation.
    """

    rule: Rule
    labels: dict[str, str]
    active: float
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule's evaluation failed at `instants` instants, first at `start`, Unix seconds."""

    rule: Rule
    instants: int
    start: float
    reason: str


class Run:
    """Evaluates `groups` from `first` to `last` (Unix seconds) over the scraped series.

    Groups are evaluated in the given order at `first` and every interval after it. A rule reads the results
    of earlier groups and rules at its own instant, and of others until just before. `interval`, in seconds,
    replaces each group's own, and the default step of subqueries.

    Metrics with names in `keep` can be queried later, None keeps all; others are dropped when no rule needs
    them any more. Memory: 9 bytes per series and instant.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scraped: Iterable[Samples],
        first: float,
        last: float,
        *,
        interval: float | None = None,
        keep: Collection[str] | None = (),
    ) -> None:
        self.firings: list[Firing] = []
        self.failures: list[Failure] = []
        self._rules = [rule for group in groups for rule in group.rules]
        self._store = Store(scraped)
        self._keep = keep
        self._step = round(interval * 1000) if interval else STEP
        self._times = []
        for group in groups:
            every = self._step if interval else group.interval or STEP
            times = np.arange(round(first * 1000), round(last * 1000) + 1, every, dtype=np.int64)
            self._times += [times] * len(group.rules)
        self._dependencies = Dependencies(self._rules)
        self._evaluate()
        self.firings.sort(key=lambda firing: (firing.start, firing.rule.name))

    def query(self, text: str, at: Iterable[float]) -> Vector:
        """An expression at some instants (Unix seconds, ascending), over scraped and kept series.

        Raises `Unsupported` for an expression, `ValueError` where Prometheus fails to evaluate it.
        """
        times = np.array([round(instant * 1000) for instant in at], np.int64)
        evaluation = Evaluation(self._store, Instants(times), self._step)
        vector = evaluation.vector(prepared(text))
        if evaluation.failed.any():
            raise ValueError(evaluation.reasons[0])
        return vector

    def _evaluate(self) -> None:
        dependencies = self._dependencies
        components = dependencies.components()
        last_reader = {
            index: number
            for number, component in enumerate(components)
            for reader in component
            for index in dependencies.reads[reader]
        }
        for number, component in enumerate(components):
            unsafe = {
                selector for index in component for selector in dependencies.unsafe_selectors(index)
            }
            if unsafe or dependencies.is_circular(component):
                self._evaluate_circle(component, unsafe)
            else:
                self._evaluate_rule(component[0], component[0] in last_reader)
            for index, last in last_reader.items():
                if last == number and not self._is_kept(self._rules[index]):
                    self._store.discard(index)

    def _evaluate_circle(self, component: list[int], unsafe: set[Selector]) -> None:
        """Rules that read their own results, or with subqueries that could see too much."""

        def depends(selector: Selector) -> bool:
            writers = self._dependencies.writers(selector)
            return selector in unsafe or not set(component).isdisjoint(writers)

        rules = {index: (self._rules[index], self._times[index]) for index in component}
        feedback = Feedback(rules, self._store, self._step, depends, stepwise=bool(unsafe))
        feedback.run()
        for index, written in feedback.written.items():
            samples = written.samples()
            self._note(self._rules[index], samples, written.failed, feedback.reasons[index])
            self._store.replace(samples, index)

    def _evaluate_rule(self, index: int, needed: bool) -> None:
        rule, times = self._rules[index], self._times[index]
        evaluation = Evaluation(self._store, Instants(times, times, index), self._step)
        outcome = result(rule, evaluation, {})
        self._note(rule, outcome.samples, outcome.failed, outcome.reasons)
        if needed or self._is_kept(rule):
            self._store.add(outcome.samples, index)

    def _note(self, rule: Rule, written: Samples, failed: Flags, reasons: Sequence[str]) -> None:
        if failed.any():
            first = float(written.times[failed.argmax()]) / 1000
            self.failures.append(Failure(rule, int(failed.sum()), first, reasons[0]))
        if rule.alert:
            for row, active, start, end in firings(written):
                over = None if end is None else end / 1000
                self.firings.append(Firing(rule, dict(row), active / 1000, start / 1000, over))

    def _is_kept(self, rule: Rule) -> bool:
        return self._keep is None or any(name in self._keep for name in rule.metrics)
