"""Rules that read their own results, such as an alert that holds while it fires."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from exporter.promql.alerts import States
from exporter.promql.evaluate import Evaluation
from exporter.promql.expression import (
    Aggregate,
    Binary,
    Call,
    Fixed,
    Node,
    Range,
    Selector,
    Subquery,
    children,
    selectors,
)
from exporter.promql.result import Result, result
from exporter.promql.rulefile import Rule
from exporter.promql.samples import Store
from exporter.promql.selector import Instants, Settings
from exporter.promql.track import Track
from exporter.promql.value import Flags, Times

_MOST: Final = 4096
"""Instants that are evaluated at once."""
_ALL: Final = 2**60


class Feedback:
    """Evaluates rules, by place, that depend on each other in a circle, and adds their samples to `store`.

    A rule sees only what was written before, so its results are the only ones that agree with themselves.
    A span of instants is evaluated with an assumption of what the rules write in it. Up to the first
    instant at which they write something else, that included, the results are final; the next span begins
    after it. So a span takes as many evaluations as its results have changes, not as it has instants.

    What does not depend on the circle is evaluated beforehand. `stepwise` takes one instant at a time.
    """

    def __init__(
        self,
        rules: dict[int, tuple[Rule, Times]],
        store: Store,
        settings: Settings,
        dependent: Callable[[Selector], bool],
        stepwise: bool,
    ) -> None:
        self.tracks = {place: Track(times) for place, (_, times) in rules.items()}
        self.reasons: dict[int, list[str]] = {place: [] for place in rules}
        self._store = store
        self._settings = settings
        self._dependent = dependent
        self._stepwise = stepwise
        self._states: dict[int, States] = {place: {} for place in rules}
        self._failed: dict[int, Flags] = {}
        self._last: dict[int, Result] = {}
        self._rules = {place: self._hoisted(place, *rules[place]) for place in sorted(rules)}
        self._reach = max(_reach(rule.tree, settings) for rule in self._rules.values())

    def run(self) -> None:
        times = np.unique(np.concatenate([track.times for track in self.tracks.values()]))
        begin, size, carry = 0, 1, True
        while begin < len(times):
            end = min(begin + size, len(times))
            span = times[begin:end]
            if carry:
                self._each(span, lambda place, part: self.tracks[place].carry(part))
            changed = self._evaluated(span)
            final = changed if changed is not None else int(span[-1])
            self._advance(final)
            if changed is None:
                size, carry = min(size * 2, 1 if self._stepwise else _MOST), True
            else:
                # What holds on is as it was; what ended is as it was just evaluated. Try both in turn.
                carry = not carry
            after = int(np.searchsorted(times, final, side="right"))
            if changed is not None:
                size = min(size, 4 * (after - begin))
            begin = after

    def _each(self, span: Times, action: Callable[[int, slice], None]) -> None:
        for place, track in self.tracks.items():
            begin = int(np.searchsorted(track.times, span[0]))
            end = int(np.searchsorted(track.times, span[-1], side="right"))
            if begin < end:
                action(place, slice(begin, end))

    def _evaluated(self, span: Times) -> int | None:
        """Evaluates the rules in order; the first instant at which they write something else."""
        changes = []

        def show(place: int) -> None:
            track = self.tracks[place]
            window = (int(span[0]) - self._reach, int(span[-1]) + 1)
            begin, end = np.searchsorted(track.times, np.array(window)).tolist()
            self._store.replace(track.samples(slice(begin, end)), place)

        def evaluate(place: int, part: slice) -> None:
            rule, track = self._rules[place], self.tracks[place]
            times = track.times[part]
            evaluation = Evaluation(
                self._store, Instants(times, times, place), self._settings, part
            )
            evaluation.failed |= self._failed[place][part]
            outcome = self._last[place] = result(rule, evaluation, self._states[place])
            self.reasons[place] += outcome.reasons[:1]
            change = track.put(part, outcome.samples, outcome.failed)
            if change is not None:
                changes.append(int(times[change]))
                show(place)

        self._last.clear()
        for place in self.tracks:
            show(place)
        self._each(span, evaluate)
        return min(changes, default=None)

    def _advance(self, final: int) -> None:
        """The alerts' states until the last final instant."""
        for place, outcome in self._last.items():
            self._states[place] = outcome.until(final, self._rules[place], self._states[place])

    def _hoisted(self, place: int, rule: Rule, times: Times) -> Rule:
        """The rule with all parts evaluated that do not depend on the circle."""
        evaluation = Evaluation(self._store, Instants(times, times, place), self._settings)
        tree = self._fixed(rule.tree, evaluation)
        self._failed[place] = evaluation.failed
        self.reasons[place] += evaluation.reasons[:1]
        return replace(rule, tree=tree)

    def _fixed(self, node: Node, evaluation: Evaluation) -> Node:
        if isinstance(node, Selector | Call | Aggregate | Binary) and not any(
            map(self._dependent, selectors(node))
        ):
            return Fixed(evaluation.value(node))
        if isinstance(node, Selector | Range | Subquery):
            return node
        parts: dict[str, Any] = {}
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, Node):
                parts[field.name] = self._fixed(value, evaluation)
            elif isinstance(node, Call) and isinstance(value, tuple):
                parts[field.name] = tuple(self._fixed(part, evaluation) for part in value)
        return replace(node, **parts)


def _reach(node: Node, settings: Settings) -> int:
    """How long ago the samples may be that the expression reads, in milliseconds."""
    match node:
        case Selector():
            return _ALL if node.at is not None else abs(node.offset) + settings.lookback
        case Range():
            return node.range + _reach(node.selector, settings)
        case Subquery():
            own = _ALL if node.at is not None else abs(node.offset) + node.range
            return min(_ALL, own + _reach(node.inner, settings))
    return max((_reach(child, settings) for child in children(node)), default=0)
