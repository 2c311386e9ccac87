"""The rules replayed over one system's history, and the part of it that is reported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final

from exporter import names
from exporter.backtest.counters import Counters
from exporter.backtest.notifications import Notification, notifications
from exporter.errors import ConfigError
from exporter.names import SESSION_ENDS_BY_LABEL, UNKNOWN_CODE_EVENTS
from exporter.promql import rulefile
from exporter.promql.expression import selectors
from exporter.promql.rulefile import Group, Rule
from exporter.promql.run import Dependencies, Failure, Firing, Run
from exporter.taxonomy.model import System, Taxonomy

_SELF_MONITORING: Final = ("exporter", "watchdog")
"""The `signal` of alerts about the exporter. Events show only one of their causes: unknown codes."""

_EXPORTED: Final = {"up"} | {
    f"{name}{suffix}"
    for name in vars(names).values()
    if isinstance(name, str) and ":" not in name
    for suffix in ("", "_bucket", "_sum", "_count")
}
_PROCESS: Final = ("process_", "scrape_")


def load_rules(folder: Path) -> tuple[Group, ...]:
    """The groups of all rule files of the folder, with the rules that can be evaluated from events.

    Alerts about the exporter are left out, except those that read the number of unknown codes. Raises
    `ConfigError` without any file, and as `exporter.promql.rulefile.load` and `Dependencies`.
    """
    paths = sorted((*folder.glob("*.yml"), *folder.glob("*.yaml")))
    if not paths:
        raise ConfigError(f"{folder}: no rule file: the directory must contain *.yml files")

    def depends_on_events(rule: Rule) -> bool:
        return rule.labels.get("signal") not in _SELF_MONITORING or reads_unknown_codes(rule)

    groups = tuple(
        replace(group, rules=tuple(filter(depends_on_events, group.rules)))
        for group in rulefile.load(paths)
    )
    # Checks the order of the rules before a long file of events is read.
    Dependencies([rule for group in groups for rule in group.rules])
    return groups


def reads_unknown_codes(rule: Rule) -> bool:
    return _reads(rule, UNKNOWN_CODE_EVENTS)


def reads_label_counts(groups: Sequence[Group]) -> bool:
    return any(_reads(rule, SESSION_ENDS_BY_LABEL) for group in groups for rule in group.rules)


def absent_metrics(groups: Sequence[Group]) -> list[str]:
    """The metrics that rules read, and that neither a rule records nor an exporter exports, sorted."""
    rules = [rule for group in groups for rule in group.rules]
    known = {metric for rule in rules for metric in rule.metrics} | _EXPORTED
    read = {selector.name for rule in rules for selector in selectors(rule.tree)}
    return sorted(name for name in read - known if name and not name.startswith(_PROCESS))


def _reads(rule: Rule, metric: str) -> bool:
    return any(selector.name == metric for selector in selectors(rule.tree))


@dataclass(frozen=True, slots=True)
class Replay:
    """`firings` are the alerts that began within [since, until), Unix seconds.

    `notifications` were sent from `since` until the end of the history. The rules were evaluated over all of
    `counters`. `failures` are rules whose evaluation failed.
    """

    system: System
    counters: Counters
    firings: tuple[Firing, ...]
    notifications: tuple[Notification, ...]
    failures: tuple[Failure, ...]
    since: float
    until: float

    def ends(self) -> dict[str, int]:
        """Ends by code between `since` and `until`."""
        counters = self.counters
        rows = [int((at - counters.start) // counters.step) for at in (self.since, self.until)]
        before, after = counters.totals[rows]
        return dict(zip(counters.codes, (after - before).tolist(), strict=True))

    def sent(self, firing: Firing) -> bool:
        """False for an alert that was inhibited, or ended before the notification."""
        return any(notification.names(firing) for notification in self.notifications)

    def seconds(self, firing: Firing) -> float:
        """How long the alert fired, at most until the end of the history."""
        return (self.counters.end if firing.end is None else firing.end) - firing.start


def replays(
    taxonomy: Taxonomy,
    all_counters: Sequence[Counters],
    groups: Sequence[Group],
    since: float = -inf,
    until: float = inf,
) -> list[Replay]:
    """Replays the rules over each history of which a part is between `since` and `until`."""
    result = []
    for counters in all_counters:
        begin, end = max(counters.start, since), min(counters.end, until)
        if begin >= end:
            continue
        system = taxonomy.systems[counters.system]
        series = [*counters.series(system), *counters.unknown_codes()]
        run = Run(groups, series, counters.start, counters.end)
        firings = tuple(firing for firing in run.firings if begin <= firing.start < until)
        # From all alerts: an earlier alert may be in the same notification.
        sent = tuple(
            message for message in notifications(run.firings, counters.end) if message.at >= begin
        )
        failures = tuple(run.failures)
        result.append(Replay(system, counters, firings, sent, failures, begin, end))
    return result
