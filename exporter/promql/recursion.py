"""Evaluation of a rule that reads its own earlier results, or an alert its own state."""

from collections.abc import Set
from dataclasses import replace
from typing import Final

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
    children,
    selectors,
)
from exporter.promql.results import expression_result, written
from exporter.promql.rulefile import Rule
from exporter.promql.samples import LOOKBACK, Samples, Store
from exporter.promql.value import EvaluationFailed, Labels, Times

_LONGEST_SPAN: Final = 4096


def recursive_result(
    rule: Rule,
    index: int,
    times: Times,
    store: Store,
    own: Set[Selector],
) -> Samples:
    """The rule's result; its samples are in `store` afterwards. `own` are selectors of its own results."""
    # Assumes that the result before a span of instants continues, and evaluates the span. Results are final
    # until the first instant, inclusive, whose result differs from the assumption; the next span begins after
    # it. So a span needs an evaluation per change of its results, not per instant.
    once = Evaluation(store, times, index)
    rule = replace(rule, tree=_evaluated(rule.tree, once, own))
    reach = _reach(rule.tree)
    results = _Results(rule, times)
    begin, size = 0, 1
    while begin < len(times):
        columns = slice(begin, min(begin + size, len(times)))
        results.carry(columns)
        first = int(np.searchsorted(times, times[begin] - reach))
        store.discard(index)
        store.add(results.written(first, columns.stop), index)
        evaluation = Evaluation(store, times[columns], index, columns)
        try:
            changed = results.put(columns, expression_result(rule, evaluation))
        except EvaluationFailed:
            if size == 1:
                raise
            # The real results may be others than the assumed results.
            size = 1
            continue
        if changed is None:
            begin = columns.stop
            size = min(size * 2, _LONGEST_SPAN)
        else:
            size = min(size, 4 * (changed + 1))
            begin += changed + 1
    final = results.written(0, len(times))
    store.discard(index)
    store.add(final, index)
    return final


def _evaluated(node: Node, once: Evaluation, own: Set[Selector]) -> Node:
    """The tree with the values of all parts that do not read the rule's own results."""
    if not isinstance(node, Selector | Call | Aggregate | Binary):
        return node
    if own.isdisjoint(selectors(node)):
        return Evaluated(once.value(node))

    def inside(part: Node) -> Node:
        return _evaluated(part, once, own)

    match node:
        case Binary():
            return replace(node, left=inside(node.left), right=inside(node.right))
        case Aggregate():
            return replace(node, inner=inside(node.inner))
        case Call():
            return replace(node, arguments=tuple(map(inside, node.arguments)))
    return node


class _Results:
    """Results of the rule's expression, a column per evaluation; the first columns are final."""

    def __init__(self, rule: Rule, times: Times) -> None:
        self._rule = rule
        self._times = times
        self._rows: dict[Labels, int] = {}
        self._values = np.zeros((0, len(times)))
        self._present = np.zeros((0, len(times)), np.bool_)

    def put(self, columns: slice, samples: Samples) -> int | None:
        """Replaces columns; returns the first column that changed, None if no column did."""
        rows = [self._rows.setdefault(row, len(self._rows)) for row in samples.labels]
        added = ((0, len(self._rows) - len(self._values)), (0, 0))
        self._values, self._present = np.pad(self._values, added), np.pad(self._present, added)
        values = np.zeros((len(self._rows), len(samples.times)))
        present = np.zeros(values.shape, np.bool_)
        present[rows] = samples.present
        # An alert's values change at every evaluation, and no rule reads them.
        values[rows] = 1.0 if self._rule.alert else samples.values
        same = present == self._present[:, columns]
        same &= ~present | np.isclose(values, self._values[:, columns], 0, 0, equal_nan=True)
        different = np.flatnonzero(~same.all(axis=0))
        self._values[:, columns], self._present[:, columns] = values, present
        return int(different[0]) if len(different) else None

    def carry(self, columns: slice) -> None:
        """Assumes the values of the column before in all columns."""
        self._values[:, columns] = self._values[:, columns.start - 1, np.newaxis]
        self._present[:, columns] = self._present[:, columns.start - 1, np.newaxis]

    def written(self, begin: int, end: int) -> Samples:
        """What the rule has written from `begin`, or a bit earlier, to before `end`."""
        if self._rule.alert:
            begin = self._inactive(begin)
        columns = slice(begin, end)
        values, present = self._values[:, columns], self._present[:, columns]
        return written(
            self._rule, Samples(self._times[columns], tuple(self._rows), values, present)
        )

    def _inactive(self, begin: int) -> int:
        """The last evaluation until `begin` before which no alert is active, nor kept firing."""
        interval = int(self._times[1] - self._times[0]) if len(self._times) > 1 else 1
        kept = self._rule.keep // interval + 2
        active = np.flatnonzero(self._present[:, :begin].any(axis=0))
        edges = np.concatenate(([-kept - 1], active, [begin]))
        calm = np.flatnonzero(np.diff(edges) > kept)
        return int(edges[calm[-1] + 1])


def _reach(node: Node) -> int:
    """The largest age of samples that the expression reads, in milliseconds."""
    match node:
        case Selector():
            return node.offset + LOOKBACK
        case Range():
            return node.length + _reach(node.selector)
    return max((_reach(child) for child in children(node)), default=0)
