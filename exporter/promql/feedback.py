"""Evaluation of rules that read their own results, such as an alert that stays active while it fires."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from exporter.promql.evaluate import Evaluation
from exporter.promql.expression import (
    Aggregate,
    Binary,
    Call,
    Evaluated,
    Node,
    Range,
    Selector,
    Subquery,
    children,
    selectors,
)
from exporter.promql.results import Result, States, result
from exporter.promql.rulefile import Rule
from exporter.promql.samples import Samples, Store
from exporter.promql.selector import LOOKBACK, Instants
from exporter.promql.value import Flags, Labels, Times

_LONGEST_SPAN: Final = 4096
_UNLIMITED: Final = 2**60


class Feedback:
    """Evaluates rules, by index, that read each other in a circle, and writes their samples to `store`.

    Evaluates a span of instants under an assumption of what the rules write in it. Results are final until
    the first instant, inclusive, at which the rules write something else; the next span begins after it.
    So a span needs an evaluation per change of its results, not per instant.

    Parts that do not depend on the circle are evaluated once. With `stepwise`, a span is one instant.
    """

    def __init__(
        self,
        rules: dict[int, tuple[Rule, Times]],
        store: Store,
        step: int,
        depends: Callable[[Selector], bool],
        stepwise: bool,
    ) -> None:
        self.written = {index: Written(times) for index, (_, times) in rules.items()}
        self.reasons: dict[int, list[str]] = {index: [] for index in rules}
        self._store = store
        self._step = step
        self._depends = depends
        self._longest = 1 if stepwise else _LONGEST_SPAN
        self._states: dict[int, States] = {index: {} for index in rules}
        self._failed: dict[int, Flags] = {}
        self._rules = {index: self._simplified(index, *rules[index]) for index in sorted(rules)}
        self._reach = max(_reach(rule.tree) for rule in self._rules.values())

    def run(self) -> None:
        times = np.unique(np.concatenate([written.times for written in self.written.values()]))
        begin, size, carry = 0, 1, True
        while begin < len(times):
            span = times[begin : begin + size]
            if carry:
                for written in self.written.values():
                    written.carry(written.columns(span))
            changed = self._evaluate(span)
            if changed is None:
                begin += len(span)
                size, carry = min(size * 2, self._longest), True
                continue
            # The rest of the span either continues the new results or is as just evaluated: try both.
            carry = not carry
            end = int(np.searchsorted(times, changed, side="right"))
            size = min(size, 4 * (end - begin))
            begin = end

    def _evaluate(self, span: Times) -> int | None:
        """Evaluates the rules in order; returns the first instant at which they write something new."""
        for index in self.written:
            self._show(index, span)
        results: dict[int, Result] = {}
        changes = []
        for index, written in self.written.items():
            columns = written.columns(span)
            if columns.start == columns.stop:
                continue
            times = written.times[columns]
            instants = Instants(times, times, index)
            evaluation = Evaluation(self._store, instants, self._step, columns)
            evaluation.failed |= self._failed[index][columns]
            results[index] = result(self._rules[index], evaluation, self._states[index])
            self.reasons[index] += results[index].reasons[:1]
            changed = written.put(columns, results[index])
            if changed is not None:
                changes.append(int(times[changed]))
                self._show(index, span)
        first = min(changes, default=None)
        last = int(span[-1]) if first is None else first
        for index, outcome in results.items():
            self._states[index] = outcome.states(last, self._rules[index], self._states[index])
        return first

    def _show(self, index: int, span: Times) -> None:
        """Puts the rule's samples that can be read in the span into the store."""
        written = self.written[index]
        columns = written.columns(np.array([span[0] - self._reach, span[-1]]))
        self._store.replace(written.samples(columns), index)

    def _simplified(self, index: int, rule: Rule, times: Times) -> Rule:
        evaluation = Evaluation(self._store, Instants(times, times, index), self._step)
        tree = self._evaluated(rule.tree, evaluation)
        self._failed[index] = evaluation.failed
        self.reasons[index] += evaluation.reasons[:1]
        return replace(rule, tree=tree)

    def _evaluated(self, node: Node, evaluation: Evaluation) -> Node:
        """The tree with the values of all parts that do not depend on the circle."""
        if isinstance(node, Selector | Call | Aggregate | Binary) and not any(
            map(self._depends, selectors(node))
        ):
            return Evaluated(evaluation.value(node))
        if isinstance(node, Selector | Range | Subquery):
            return node
        parts: dict[str, Any] = {}
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, Node):
                parts[field.name] = self._evaluated(value, evaluation)
            elif isinstance(node, Call) and isinstance(value, tuple):
                parts[field.name] = tuple(self._evaluated(part, evaluation) for part in value)
        return replace(node, **parts)


class Written:
    """What a rule has written: a column per evaluation, of which the first ones are final."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self.failed = np.zeros(len(times), np.bool_)
        self._rows: dict[Labels, int] = {}
        self._values = np.zeros((0, len(times)))
        self._present = np.zeros((0, len(times)), np.bool_)

    def columns(self, span: Times) -> slice:
        """The evaluations from the first to the last time of the span."""
        begin = int(np.searchsorted(self.times, span[0]))
        return slice(begin, int(np.searchsorted(self.times, span[-1], side="right")))

    def put(self, columns: slice, outcome: Result) -> int | None:
        """Replaces columns; returns the first of them that differs from before, None without any."""
        written, failed = outcome.samples, outcome.failed
        rows = [self._rows.setdefault(row, len(self._rows)) for row in written.labels]
        added = ((0, len(self._rows) - len(self._values)), (0, 0))
        self._values, self._present = np.pad(self._values, added), np.pad(self._present, added)
        values = np.zeros((len(self._rows), len(failed)))
        present = np.zeros(values.shape, np.bool_)
        present[rows] = written.present
        values[rows] = np.where(written.present, written.values, 0.0)
        equal = (values == self._values[:, columns]) | (
            np.isnan(values) & np.isnan(self._values[:, columns])
        )
        same = (present == self._present[:, columns]) & (equal | ~present)
        different = np.flatnonzero(~same.all(axis=0) | (self.failed[columns] != failed))
        self._values[:, columns], self._present[:, columns] = values, present
        self.failed[columns] = failed
        return int(different[0]) if len(different) else None

    def carry(self, columns: slice) -> None:
        """Assumes in all columns what is in the column before them."""
        if columns.start > 0:
            self._values[:, columns] = self._values[:, columns.start - 1, np.newaxis]
            self._present[:, columns] = self._present[:, columns.start - 1, np.newaxis]

    def samples(self, columns: slice = slice(None)) -> Samples:
        present = self._present[:, columns]
        stale = ~present & ~self.failed[columns]
        return Samples(
            self.times[columns], tuple(self._rows), self._values[:, columns], present, stale
        )


def _reach(node: Node) -> int:
    """The largest age of samples that the expression reads, in milliseconds."""
    match node:
        case Selector():
            return _UNLIMITED if node.at is not None else abs(node.offset) + LOOKBACK
        case Range():
            return node.length + _reach(node.selector)
        case Subquery():
            own = _UNLIMITED if node.at is not None else abs(node.offset) + node.length
            return min(_UNLIMITED, own + _reach(node.inner))
    return max((_reach(child) for child in children(node)), default=0)
