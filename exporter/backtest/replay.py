"""What the rules would have made of one system's history, in the part of it that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.backtest.counters import Counters
from exporter.backtest.series import scraped
from exporter.promql.rulefile import Group
from exporter.promql.run import Failure, Firing, Run
from exporter.taxonomy.model import System

MONTH: Final = 30 * 86400.0
WEEK: Final = 7 * 86400.0
"""Weekdays and weekends differ: less than both says nothing about a month."""


@dataclass(frozen=True, slots=True)
class Replay:
    """`firings` are those of the alerts that began within [since, until), Unix seconds, in order of time.

    The rules saw all of `counters`; `since` and `until` are inside them. `failures` are rules that
    Prometheus could not have evaluated.
    """

    system: System
    counters: Counters
    firings: tuple[Firing, ...]
    failures: tuple[Failure, ...]
    since: float
    until: float

    @classmethod
    def of(
        cls,
        system: System,
        counters: Counters,
        groups: Sequence[Group],
        since: float | None = None,
        until: float | None = None,
    ) -> "Replay | None":
        """None when nothing of the history is between `since` and `until`."""
        begin = counters.start if since is None else max(counters.start, since)
        end = counters.end if until is None else min(counters.end, until)
        if begin >= end:
            return None
        # The last evaluation is at the end itself, so what begins there is still the history's.
        closing = end + counters.step if end == counters.end else end
        run = Run(groups, scraped(counters, system), counters.start, counters.end)
        found = tuple(firing for firing in run.firings if begin <= firing.start < closing)
        return cls(system, counters, found, tuple(run.failures), begin, end)

    @property
    def end(self) -> float:
        """The last evaluation of the rules, whatever part is reported."""
        return self.counters.end

    def ends(self) -> dict[str, int]:
        """Ends by code between `since` and `until`; codes that never came are not in it."""
        counters = self.counters
        rows = [int((at - counters.start) // counters.step) for at in (self.since, self.until)]
        both = counters.totals[rows]
        return dict(zip(counters.codes, (both[1] - both[0]).tolist(), strict=True))

    def seconds(self, firing: Firing) -> float:
        """How long an alert fired, until the history's end when it did so still."""
        return (self.end if firing.end is None else firing.end) - firing.start

    def months(self) -> float:
        """The reported time in months of 30 days."""
        return (self.until - self.since) / MONTH
