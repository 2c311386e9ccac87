"""Rule files over a history: what the rules record, and from when until when each alert fires."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.promql.alerts import fired
from exporter.promql.dependencies import ALERTS, FOR_STATE, Dependencies
from exporter.promql.evaluate import Evaluation, prepared
from exporter.promql.expression import Selector
from exporter.promql.feedback import Feedback
from exporter.promql.result import result
from exporter.promql.rulefile import Group, Rule
from exporter.promql.samples import Samples, Store
from exporter.promql.selector import Instants, Settings
from exporter.promql.value import Flags, Times, Vector

INTERVAL: Final = 60_000
"""Milliseconds: Prometheus' default evaluation interval."""


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert with these labels was active from `active` and fired from `start` to `end`, Unix seconds;
    `end` is None when it still fired at the last evaluation."""

    rule: Rule
    labels: dict[str, str]
    active: float
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule could not be evaluated at so many instants, first at `start`, Unix seconds."""

    rule: Rule
    instants: int
    start: float
    reason: str


class Run:
    """Evaluates `groups` from `first` to `last` (Unix seconds) over the scraped series.

    Groups are evaluated in the given order at the same instants, `first` and every interval after it: a
    rule sees the results of earlier groups and rules at its own instant, those of others until just
    before. `interval`, in seconds, is taken instead of each group's own. Series of rules whose names are
    in `keep` can be queried later, None keeps all; others are dropped once no rule reads them.

    Memory is 9 bytes for each series of a rule at each instant, for the series that are needed.
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
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.rules = [rule for group in groups for rule in group.rules]
        self.store = Store(scraped)
        self.firings: list[Firing] = []
        self.failures: list[Failure] = []
        self._keep = keep
        self._times = [
            times
            for group in groups
            for times in [_instants(group, first, last, interval)] * len(group.rules)
        ]
        self._dependencies = Dependencies(self.rules)
        self._evaluate()
        self.firings.sort(key=lambda firing: (firing.start, firing.rule.name))

    def query(self, text: str, at: Iterable[float]) -> Vector:
        """An expression at some instants (Unix seconds, ascending), over what was scraped and kept.

        Raises `Unsupported` for an expression, `ValueError` where Prometheus fails to evaluate it.
        """
        times = np.array([round(instant * 1000) for instant in at], np.int64)
        evaluation = Evaluation(self.store, Instants(times), self.settings)
        vector = evaluation.vector(prepared(text))
        if evaluation.failed.any():
            raise ValueError(evaluation.reasons[0])
        return vector

    def _evaluate(self) -> None:
        components = self._dependencies.components()
        until = {
            place: number
            for number, places in enumerate(components)
            for reader in places
            for place in self._dependencies.read[reader]
        }
        for number, places in enumerate(components):
            unsafe = {selector for place in places for selector in self._dependencies.unsafe(place)}
            if unsafe or self._dependencies.circular(places):
                self._together(places, unsafe)
            else:
                (place,) = places
                self._alone(place, place in until or self._kept(self.rules[place]))
            for place, last in until.items():
                if last == number and not self._kept(self.rules[place]):
                    self.store.discard(place)

    def _together(self, places: list[int], unsafe: set[Selector]) -> None:
        """Rules that read their own results, or whose subqueries need it."""
        feedback = Feedback(
            {place: (self.rules[place], self._times[place]) for place in places},
            self.store,
            self.settings,
            lambda selector: (
                selector in unsafe
                or any(place in places for place in self._dependencies.writers(selector))
            ),
            stepwise=bool(unsafe),
        )
        feedback.run()
        for place, track in feedback.tracks.items():
            written = track.samples(slice(None))
            self._note(self.rules[place], written, track.failed, feedback.reasons[place])
            self.store.replace(written, place)

    def _alone(self, place: int, wanted: bool) -> None:
        rule, times = self.rules[place], self._times[place]
        evaluation = Evaluation(self.store, Instants(times, times, place), self.settings)
        outcome = result(rule, evaluation, {})
        self._note(rule, outcome.samples, evaluation.failed, outcome.reasons)
        if wanted:
            self.store.add(outcome.samples, place)

    def _note(self, rule: Rule, written: Samples, failed: Flags, reasons: Sequence[str]) -> None:
        if failed.any():
            first = float(written.times[failed.argmax()]) / 1000
            self.failures.append(Failure(rule, int(failed.sum()), first, reasons[0]))
        if rule.alert:
            for row, active, start, end in fired(written):
                over = None if end is None else end / 1000
                self.firings.append(Firing(rule, dict(row), active / 1000, start / 1000, over))

    def _kept(self, rule: Rule) -> bool:
        names = (ALERTS, FOR_STATE) if rule.alert else (rule.name,)
        return self._keep is None or any(name in self._keep for name in names)


def _instants(group: Group, first: float, last: float, interval: float | None) -> Times:
    every = round(interval * 1000) if interval else group.interval or INTERVAL
    return np.arange(round(first * 1000), round(last * 1000) + 1, every, dtype=np.int64)
