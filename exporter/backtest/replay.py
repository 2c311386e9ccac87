"""The rules replayed over the histories of all systems, and the parts of them that are reported."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final

from exporter import names
from exporter.backtest.counters import Counters, process_start
from exporter.backtest.notifications import notified
from exporter.errors import ConfigError
from exporter.names import UNKNOWN_CODE_EVENTS
from exporter.promql import rulefile
from exporter.promql.expression import selectors
from exporter.promql.rulefile import Group, Rule
from exporter.promql.run import Dependencies, Firing, Run
from exporter.taxonomy.model import Taxonomy

_SELF_MONITORING: Final = ("exporter", "watchdog")
"""The `signal` of alerts about the exporter. Events show only one of their causes: unknown codes."""
ALL_SYSTEMS: Final = "all systems"

_EXPORTED: Final = {"up"} | {
    f"{name}{suffix}"
    for name in vars(names).values()
    if isinstance(name, str) and ":" not in name and name != names.SESSION_ENDS_BY_LABEL
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

    def depends_on_events(labels: Mapping[str, str], expr: str) -> bool:
        return labels.get("signal") not in _SELF_MONITORING or UNKNOWN_CODE_EVENTS in expr

    groups = rulefile.load(paths, depends_on_events)
    # Checks the order of the rules before a long file of events is read.
    Dependencies([rule for group in groups for rule in group.rules])
    return groups


def reads_unknown_codes(rule: Rule) -> bool:
    return any(selector.name == UNKNOWN_CODE_EVENTS for selector in selectors(rule.tree))


def absent_metrics(groups: Sequence[Group]) -> list[str]:
    """The metrics that rules read, and that neither a rule records nor the events give, sorted."""
    rules = [rule for group in groups for rule in group.rules]
    known = {metric for rule in rules for metric in rule.metrics} | _EXPORTED
    read = {selector.name for rule in rules for selector in selectors(rule.tree)}
    return sorted(name for name in read - known if name and not name.startswith(_PROCESS))


@dataclass(frozen=True, slots=True)
class Replay:
    """A system's part of the history, from `since` until `until`, Unix seconds, and its `ends` by code.

    `alerts` are those of the whole history; `end` is None for an alert that fires at its end.
    """

    system: str
    ends: Mapping[str, int]
    alerts: tuple[Firing, ...]
    since: float
    until: float

    @property
    def firings(self) -> list[Firing]:
        """The alerts that fire in this part, also if they begin before it or end after it."""
        return [
            firing
            for firing in self.alerts
            if firing.start < self.until and (firing.end is None or firing.end > self.since)
        ]

    def notified(self, firing: Firing) -> float | None:
        """The time of a notification, None if the alert is inhibited or ends before."""
        return notified(firing, self.alerts)

    def seconds(self, firing: Firing) -> float:
        """How long the alert fires in this part."""
        return min(self.until, firing.end or inf) - max(self.since, firing.start)

    def cut(self, firing: Firing) -> bool:
        """Whether the alert also fires before or after this part."""
        return firing.start < self.since or firing.end is None or firing.end > self.until


def replays(
    taxonomy: Taxonomy,
    all_counters: Sequence[Counters],
    groups: Sequence[Group],
    since: float = -inf,
    until: float = inf,
) -> list[Replay]:
    """Replays the rules over all histories together, as Prometheus evaluates them.

    The result has a `Replay` for each system with ends between `since` and `until`, and one named
    `ALL_SYSTEMS` for alerts without the label of one of several systems. Raises `ConfigError` as `Run`.
    """
    periods = {counters.system: (counters.start, counters.end) for counters in all_counters}
    if not any(max(start, since) < min(end, until) for start, end in periods.values()):
        return []
    first = min(start for start, _ in periods.values())
    last = max(end for _, end in periods.values())
    series = [process_start(first, last)]
    for counters in all_counters:
        series += counters.series(taxonomy.systems[counters.system]) + counters.unknown_codes()
    run = Run(groups, series, first, last)
    rest = ALL_SYSTEMS if len(periods) > 1 else all_counters[0].system
    by_system: dict[str, list[Firing]] = {}
    for firing in run.firings:
        system = firing.labels.get(names.SYSTEM, rest)
        by_system.setdefault(system if system in periods else rest, []).append(firing)
    if ALL_SYSTEMS in by_system:
        periods[ALL_SYSTEMS] = first, last
    result = []
    for system, (start, end) in periods.items():
        begin, over = max(start, since), min(end, until)
        if begin >= over:
            continue
        # Without further samples, an alert ends after the history of its system.
        alerts = tuple(
            replace(firing, end=None) if firing.end and firing.end > end else firing
            for firing in by_system.get(system, ())
            if firing.start <= end
        )
        ends = Counter[str]()
        for counters in all_counters:
            if system in (counters.system, ALL_SYSTEMS):
                ends += counters.between(begin, over)
        result.append(Replay(system, ends, alerts, begin, over))
    return result
