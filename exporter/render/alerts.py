"""The alerts, one for each subject of the catalog: thin, since the mathematics is in `recording`."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.policy.model import Policy
from exporter.render.catalog import Signal, Subject
from exporter.render.pack import Pack
from exporter.render.pipeline import Condition, conditions
from exporter.render.promql import PER_SYSTEM, either, number, selector
from exporter.render.rule import Group, Rule, RuleFile
from exporter.render.texts import annotations, plain
from exporter.taxonomy.model import Code

PIPELINE_PATH: Final = "rules/pipeline.yml"
SEVERITY: Final = "severity"
SIGNAL: Final = "signal"


def files(pack: Pack) -> tuple[RuleFile, ...]:
    """A file for each system and one for the exporter itself."""
    made = []
    for system in pack.taxonomy.systems:
        groups = tuple(_groups(pack, system))
        made.append(RuleFile(path_of(system), groups))
    own = tuple(rule(pack, one) for one in pack.subjects if one.system is None)
    interval = pack.policy.intervals.pipeline
    made.append(RuleFile(PIPELINE_PATH, (Group("session-ends-pipeline", interval, own),)))
    return tuple(made)


def path_of(system: str) -> str:
    return f"rules/alerts-{system.replace('_', '-')}.yml"


def _groups(pack: Pack, system: str) -> Iterator[Group]:
    """What reads recorded series is evaluated as often as these are."""
    intervals = pack.policy.intervals
    stem = f"session-ends-{system.replace('_', '-')}"
    for name, interval, signals in (
        (stem, intervals.windows, (Signal.SPIKE, Signal.OVERRUN, Signal.STOPPED, Signal.QUEUE)),
        (f"{stem}-budget", intervals.budget, (Signal.BUDGET,)),
        (f"{stem}-long", intervals.long, (Signal.ELEVATED, Signal.NEW)),
    ):
        chosen = [
            one
            for one in pack.subjects
            if one.system is not None and one.system.system == system and one.signal in signals
        ]
        yield Group(name, interval, tuple(rule(pack, one) for one in chosen))


def rule(pack: Pack, subject: Subject) -> Rule:
    """The alert of one subject."""
    labels = {SEVERITY: subject.severity, SIGNAL: subject.signal.value}
    if subject.system is None:
        return _own(pack, subject, labels)
    labels[names.SYSTEM] = subject.system.system
    if subject.code is None:
        return _of_system(pack, subject, subject.system.system, labels)
    return _of_code(pack, subject, subject.code, labels)


def _of_code(pack: Pack, subject: Subject, code: Code, labels: dict[str, str]) -> Rule:
    policy = pack.policy
    labels |= {
        names.CODE: code.code,
        names.PHASE: code.phase,
        names.CATEGORY: code.category,
        names.OWNER: code.owner.value,
    }
    expr, lasting, kept = _code_signal(policy, subject.signal, code)
    return Rule(
        alert=subject.alert,
        expr=expr,
        for_=_wait(lasting),
        keep_firing_for=kept,
        labels=labels,
        annotations=annotations(pack, subject),
    )


def _wait(lasting: str) -> str:
    """No `for` at all where there is nothing to wait for."""
    return "" if lasting == "0s" else lasting


def _code_signal(policy: Policy, signal: Signal, code: Code) -> tuple[str, str, str]:
    """Expression, `for` and `keep_firing_for`; category is summed away, so that a code whose category
    was changed stays one alert."""
    by_code = {names.SYSTEM: code.system, names.CODE: code.code}

    def summed(record: str) -> str:
        return f"sum by ({names.SYSTEM}, {names.CODE}) ({selector(record, by_code)})"

    if signal is Signal.SPIKE:
        return summed(names.RULE_SPIKE), policy.spike.for_, policy.spike.keep_firing_for
    if signal is Signal.OVERRUN:
        window, share = policy.overrun.window, policy.overrun.share
        ends = selector(names.RULE_ENDS + window, {names.SYSTEM: code.system})
        expr = (
            f"{summed(names.RULE_COUNT + window)} > {summed(names.RULE_LIMIT + window)}\n"
            f"and {summed(names.RULE_COUNT + window)} > {PER_SYSTEM} "
            f"{number(share)} * {ends}"
        )
        return expr, policy.overrun.for_, policy.overrun.keep_firing_for
    if signal is Signal.QUEUE:
        return _queue(policy, code, summed(names.RULE_SPIKE))
    if signal is Signal.ELEVATED:
        windows = [
            one.window
            for one in policy.elevated.windows
            if not code.planned or one.window == policy.elevated.planned_window
        ]
        expr = either(*(summed(names.RULE_ELEVATED + window) for window in windows))
        return expr, policy.elevated.for_, policy.elevated.keep_firing_for
    return summed(names.RULE_NEW), "", policy.new.keep_firing_for


def _queue(policy: Policy, code: Code, spike: str) -> tuple[str, str, str]:
    """Project by project, since each has a queue of its own; replicas that all ask tell the same."""
    queue = policy.queue
    waiting = selector(names.QUEUED_USERS, {names.SYSTEM: code.system})

    def users(back: str = "") -> str:
        by = f"{names.SYSTEM}, {names.PROJECT}"
        return f"max by ({by}) (avg_over_time({waiting}[{queue.window}]{back}))"

    expr = (
        f"sum by ({names.SYSTEM}) (\n"
        f"  {users()}\n"
        f"  > {number(queue.factor)} * {users(f' offset {queue.before}')} + {number(queue.users)}\n"
        f")\n"
        f"unless on ({names.SYSTEM}) {spike}"
    )
    return expr, queue.for_, queue.keep_firing_for


def _of_system(pack: Pack, subject: Subject, system: str, labels: dict[str, str]) -> Rule:
    policy = pack.policy
    by_system = {names.SYSTEM: system}
    if subject.signal is Signal.STOPPED:
        expr = selector(names.RULE_STOPPED, by_system)
        lasting, kept = policy.stopped.for_, policy.stopped.keep_firing_for
    else:
        allowed = 1 - policy.budget.objective_of(system)
        expr = either(
            *(
                f"({selector(names.RULE_ERROR_RATIO + one.long, by_system)}"
                f" > {number(round(one.factor * allowed, 9))}"
                f" and {selector(names.RULE_ERROR_RATIO + one.short, by_system)}"
                f" > {number(round(one.factor * allowed, 9))}"
                f" and {selector(names.RULE_FAILURES + one.long, by_system)}"
                f" > {number(policy.budget.failures)})"
                for one in policy.budget.windows
            )
        )
        lasting, kept = policy.budget.for_, policy.budget.keep_firing_for
    return Rule(
        alert=subject.alert,
        expr=expr,
        for_=_wait(lasting),
        keep_firing_for=kept,
        labels=labels,
        annotations=annotations(pack, subject),
    )


def _own(pack: Pack, subject: Subject, labels: dict[str, str]) -> Rule:
    condition: Condition = conditions(pack.policy.pipeline)[subject.alert]
    return Rule(
        alert=subject.alert,
        expr=condition.expr,
        for_=_wait(condition.for_),
        keep_firing_for=pack.policy.pipeline.keep_firing_for,
        labels=labels,
        annotations={
            "summary": condition.summary,
            "description": condition.description,
            "runbook_url": plain(pack.runbook_url(subject)),
            "dashboard_url": plain(pack.dashboard_url(subject)),
        },
    )
