"""The mathematics of the alerts, once for all codes: shares, limits, and which codes are above them."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.policy.model import Duration
from exporter.render.pack import Pack
from exporter.render.promql import (
    CODE_LABELS,
    INSTANCE,
    ON_SYSTEM,
    PER_SYSTEM,
    duration,
    either,
    ends,
    number,
    of_system,
)
from exporter.render.rule import Group, Rule, RuleFile
from exporter.taxonomy.model import Outcome, Page

BASELINE_PATH: Final = "rules/baseline.yml"
WINDOWS_PATH: Final = "rules/windows.yml"
_SUCCESS: Final = f'{names.OUTCOME}="{Outcome.SUCCESS.value}"'
_NO_SUCCESS: Final = f'{names.OUTCOME}!="{Outcome.SUCCESS.value}"'
_FAILURE: Final = f'{names.OUTCOME}="{Outcome.FAILURE.value}"'
_NOT_NEUTRAL: Final = f'{names.OUTCOME}!="{Outcome.NEUTRAL.value}"'


def files(pack: Pack) -> tuple[RuleFile, ...]:
    """The baseline in its own file: tests feed its results as inputs, and promtool reads only 10,000
    samples in a query."""
    intervals, base = pack.policy.intervals, pack.policy.baseline
    return (
        RuleFile(
            BASELINE_PATH,
            (Group("session-ends-baseline", intervals.baseline, tuple(_baseline(pack))),),
        ),
        RuleFile(
            WINDOWS_PATH,
            (
                Group("session-ends-windows", intervals.windows, tuple(_windows(pack))),
                Group("session-ends-budget", intervals.budget, tuple(_budget(pack))),
                Group("session-ends-long", intervals.long, tuple(_long(pack))),
                Group("session-ends-snapshots", base.median_step, tuple(_snapshots(pack))),
            ),
        ),
    )


def watched(pack: Pack) -> list[str]:
    """Matchers of the series with alerts: all but successes, and the successes that have a ticket."""
    successes = [
        f'{_SUCCESS}, {names.SYSTEM}="{code.system}", {names.CODE}="{code.code}"'
        for system in pack.taxonomy.systems.values()
        for code in system.codes
        if code.outcome is Outcome.SUCCESS and code.page is not Page.NEVER
    ]
    return [_NO_SUCCESS, *successes]


def _increase(window: Duration) -> Rule:
    return Rule(record=names.RULE_COUNT + window, expr=ends("increase", window))


def _baseline(pack: Pack) -> Iterator[Rule]:
    base = pack.policy.baseline
    day, share, count = names.RULE_SHARE_DAY, names.RULE_SHARE, names.RULE_COUNT + base.window
    counts = " or ".join(f"{count}{{{matchers}}}" for matchers in watched(pack))
    yield Rule(
        record=day,
        expr=f"({number(base.prior_count)} + ({counts}))\n"
        f"  / {PER_SYSTEM} ({number(base.prior_ends)} + {names.RULE_ENDS}{base.window})",
    )
    yield Rule(
        record=share,
        expr=either(
            f"quantile_over_time(0.5, {day}{names.RULE_SNAPSHOT}[{base.median_window}])", day
        ),
    )


def _usual(window: Duration) -> Rule:
    """How many of each code are usual among as many ends."""
    return Rule(
        record=names.RULE_USUAL + window,
        expr=f"{names.RULE_SHARE} * {PER_SYSTEM} {names.RULE_ENDS}{window}",
    )


def _limit(window: Duration, floor: float, factor: float, root: float, of_ends: float) -> Rule:
    usual = names.RULE_USUAL + window
    return Rule(
        record=names.RULE_LIMIT + window,
        expr=f"{number(floor)} + {number(factor)} * {usual} + {number(root)} * sqrt({usual})\n"
        f"  + {PER_SYSTEM} {number(of_ends)} * {names.RULE_ENDS}{window}",
    )


def _above_limit(window: Duration) -> str:
    return f"{names.RULE_COUNT}{window} > {names.RULE_LIMIT}{window}"


def _above_share(window: Duration, factor: float, plus: float) -> str:
    """The window's share against the usual one, whatever the traffic."""
    more = f" + {number(plus)}" if plus else ""
    return (
        f"{names.RULE_COUNT}{window} / {PER_SYSTEM} {names.RULE_ENDS}{window}"
        f" > {number(factor)} * {names.RULE_SHARE}{more}"
    )


def _fast(pack: Pack) -> set[Duration]:
    """The windows that pages read."""
    policy = pack.policy
    windows = {one.window for one in policy.limit.windows}
    windows |= {one.window for one in policy.stopped.windows}
    windows |= {policy.stopped.before, policy.overrun.window, policy.new.window}
    longest = max(window.seconds for window in windows)
    return windows | {one for one in _budget_windows(pack) if one.seconds <= longest}


def _slow(pack: Pack) -> set[Duration]:
    """The windows that only tickets and the baseline read, seldom since they hold many samples."""
    policy = pack.policy
    windows = {one.window for one in policy.elevated.windows} | {policy.baseline.window}
    return (windows | {policy.budget.base}) - _fast(pack)


def _windows(pack: Pack) -> Iterator[Rule]:
    """Every window is read from one sum per exporter and code, which is recorded first: its cost does not
    grow with the configured labels. Summing before `increase` is safe here and not elsewhere, because
    an exporter's counters are read in one scrape and survive its restarts; a new ledger is new series."""
    limit, spike = pack.policy.limit, pack.policy.spike
    kept = ", ".join((names.LEDGER, INSTANCE, *CODE_LABELS))
    yield Rule(record=names.RULE_SUM, expr=f"sum by ({kept}) ({names.SESSION_ENDS})")
    limited = [one.window for one in limit.windows]
    for window in sorted(_fast(pack), key=lambda one: one.seconds):
        yield _increase(window)
    for one in limit.windows:
        yield Rule(
            record=names.RULE_ENDS + one.window, expr=of_system(names.RULE_COUNT + one.window)
        )
        yield _usual(one.window)
        yield _limit(one.window, one.floor, limit.factor, limit.root, one.of_ends)
    changes = names.RULE_CHANGES + spike.changes_window
    yield Rule(record=changes, expr=ends("changes", spike.changes_window))
    above = either(*(f"({_above_limit(window)})" for window in limited))
    yield Rule(
        record=names.RULE_SPIKE,
        expr=f"{names.RULE_COUNT}{spike.confirm_window}\n"
        f"and (\n  {above}\n)\n"
        f"and {_above_share(spike.confirm_window, spike.confirm_factor, spike.confirm_share)}\n"
        f"and {changes} > {number(spike.changes)}",
    )
    yield from _stopped(pack)


def _stopped(pack: Pack) -> Iterator[Rule]:
    """Both instants at which the exporter must have been there keep its own outage out: while it is
    down, and while a window has more of that outage in it than of what came after."""
    stopped = pack.policy.stopped
    present = f"group by ({names.SYSTEM}) ({names.RULE_SUM}"
    before = names.RULE_SUCCESSES + stopped.before
    windows = {one.window for one in stopped.windows} | {stopped.before}
    for window in sorted(windows, key=lambda one: one.seconds):
        yield Rule(
            record=names.RULE_SUCCESSES + window,
            expr=of_system(names.RULE_COUNT + window, _SUCCESS),
        )
    for one in stopped.windows:
        factor = stopped.factor * one.window.seconds / stopped.before.seconds
        half = duration(one.window.seconds // 2)
        yield Rule(
            record=names.RULE_SUCCESS_FLOOR + one.window,
            expr=f"({number(factor)} * {before} offset {one.window} - {number(stopped.slack)})\n"
            f"and {present}) and {present} offset {half})",
        )
    below = either(
        *(
            f"({names.RULE_SUCCESSES}{one.window} < {names.RULE_SUCCESS_FLOOR}{one.window})"
            for one in stopped.windows
        )
    )
    yield Rule(record=names.RULE_STOPPED, expr=below)


def _budget_windows(pack: Pack) -> list[Duration]:
    """The windows of the burn rates, shortest first, and the one that longer ones are summed from."""
    budget = pack.policy.budget
    used = {window for pair in budget.windows for window in (pair.long, pair.short)} | {budget.base}
    return sorted(used, key=lambda window: window.seconds)


def _budget(pack: Pack) -> Iterator[Rule]:
    """Windows longer than `base` are summed from it: three days of samples every minute cost more than
    all other rules together."""
    budget = pack.policy.budget
    for window in _budget_windows(pack):
        failures, counted = names.RULE_FAILURES + window, names.RULE_COUNTED + window
        if window.seconds <= budget.base.seconds:
            yield Rule(record=failures, expr=of_system(names.RULE_COUNT + window, _FAILURE))
            yield Rule(record=counted, expr=of_system(names.RULE_COUNT + window, _NOT_NEUTRAL))
        else:
            # Each end is in as many of base's samples as base has evaluations; no extrapolation, which
            # on the first day would make a handful of failures many.
            samples = number(budget.base.seconds / pack.policy.intervals.budget.seconds)
            for record, stem in (
                (failures, names.RULE_FAILURES),
                (counted, names.RULE_COUNTED),
            ):
                total = f"sum_over_time({stem}{budget.base}[{window}])"
                yield Rule(record=record, expr=f"{total} / {samples}")
        yield Rule(record=names.RULE_ERROR_RATIO + window, expr=f"{failures} / {counted}")


def _long(pack: Pack) -> Iterator[Rule]:
    elevated = pack.policy.elevated
    for window in sorted(_slow(pack), key=lambda one: one.seconds):
        yield _increase(window)
        yield Rule(record=names.RULE_ENDS + window, expr=of_system(names.RULE_COUNT + window))
    for one in elevated.windows:
        yield _usual(one.window)
        yield _limit(one.window, one.floor, one.factor, one.root, one.of_ends)
    for one in elevated.windows:
        yield Rule(
            record=names.RULE_ELEVATED + one.window,
            expr=f"{_above_limit(one.window)}\n"
            f"and {_above_share(one.confirm_window, one.confirm_factor, 0)}",
        )
    yield _new(pack)


def _snapshots(pack: Pack) -> Iterator[Rule]:
    """What is read over a week, noted every few minutes. The subqueries that were here before looked each
    of a week's steps up anew: 340 of the 470 ms that all rules took."""
    day = pack.policy.baseline.window
    for record in (names.RULE_SHARE_DAY, names.RULE_COUNT + day, names.RULE_ENDS + day):
        yield Rule(record=record + names.RULE_SNAPSHOT, expr=record)


def _new(pack: Pack) -> Rule:
    """The memory is a day's increase, over all of the memory but that day: one day's history is enough
    on the first day."""
    new, day = pack.policy.new, pack.policy.baseline.window
    rest = f"{names.RULE_SNAPSHOT}[{duration(new.memory.seconds - day.seconds)}]"
    return Rule(
        record=names.RULE_NEW,
        # Extrapolation turns 2 ends into 1.98, and 0 never into anything else.
        expr=f"{names.RULE_COUNT}{new.window} > {number(new.ends - 0.5)}\n"
        f"unless max_over_time({names.RULE_COUNT}{day}{rest} offset {new.window}) > 0\n"
        f"and {ON_SYSTEM} max_over_time({names.RULE_ENDS}{day}{rest} offset {new.learning})",
    )
