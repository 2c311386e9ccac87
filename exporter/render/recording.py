"""The mathematics of the alerts, once for all codes: shares, limits, and which codes are above them."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.policy.model import Duration, Policy
from exporter.render.pack import Pack
from exporter.render.promql import (
    CODE_LABELS,
    INSTANCE,
    ON_SYSTEM,
    PER_SYSTEM,
    duration,
    either,
    increase,
    number,
    of_system,
    second_longer,
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
    return Rule(record=names.RULE_COUNT + window, expr=increase(window))


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


def fast_windows(policy: Policy) -> set[Duration]:
    """The windows that pages read: short enough to be read every time."""
    windows = {one.window for one in policy.limit.windows}
    windows |= {one.window for one in policy.stopped.windows}
    windows |= {policy.spike.burst, policy.overrun.window, policy.new.window}
    longest = max(window.seconds for window in windows)
    windows |= {one for one in _budget_windows(policy) if one.seconds <= longest}
    return windows | {
        window
        for one in policy.stopped.windows
        for window in (one.before, one.confirm)
        if window.seconds <= longest
    }


def slow_windows(policy: Policy) -> set[Duration]:
    """The windows that only tickets and baselines read, seldom since they hold many samples."""
    windows = {one.window for one in policy.elevated.windows} | {policy.baseline.window}
    windows |= {one.before for one in policy.stopped.windows} | {policy.budget.base}
    return windows - fast_windows(policy)


def _windows(pack: Pack) -> Iterator[Rule]:
    """Every window is read from one sum per exporter and code, which is recorded first: its cost does not
    grow with the configured labels. Summing before `increase` is safe here and not elsewhere, because
    an exporter's counters are read in one scrape and survive its restarts; a new ledger is new series."""
    limit = pack.policy.limit
    kept = ", ".join((names.LEDGER, INSTANCE, *CODE_LABELS))
    yield Rule(record=names.RULE_SUM, expr=f"sum by ({kept}) ({names.SESSION_ENDS})")
    for window in sorted(fast_windows(pack.policy), key=lambda one: one.seconds):
        yield _increase(window)
    for one in limit.windows:
        yield Rule(
            record=names.RULE_ENDS + one.window, expr=of_system(names.RULE_COUNT + one.window)
        )
        yield _usual(one.window)
        yield _limit(one.window, one.floor, limit.factor, limit.root, one.of_ends)
        yield _rest(pack, one.window)
    yield _spike(pack)
    yield from _stopped(pack)


def _rest(pack: Pack, window: Duration) -> Rule:
    """A window's count without its worst burst, which lies within the window."""
    burst = pack.policy.spike.burst
    inside = second_longer(duration(window.seconds - burst.seconds))
    count = names.RULE_COUNT
    return Rule(
        record=names.RULE_REST + window,
        expr=f"{count}{window} - max_over_time({count}{burst}[{inside}])",
    )


def _spike(pack: Pack) -> Rule:
    spike, windows = pack.policy.spike, pack.policy.limit.windows
    above = []
    shorter: Duration | None = None
    for one in sorted(windows, key=lambda one: one.window.seconds):
        usual = names.RULE_USUAL + one.window
        parts = [
            _above_limit(one.window),
            f"{names.RULE_REST}{one.window} > {number(one.rest)} + {number(spike.rest_factor)} * {usual}"
            f" + {number(spike.rest_root)} * sqrt({usual})",
        ]
        if shorter is not None:
            parts.append(_still(shorter, one.window, spike.still))
        above.append("(" + "\n    and ".join(parts) + ")")
        shorter = one.window
    return Rule(
        record=names.RULE_SPIKE,
        expr=f"{names.RULE_COUNT}{spike.confirm_window}\n"
        f"and (\n  {either(*above)}\n)\n"
        f"and {_above_share(spike.confirm_window, spike.confirm_factor, spike.confirm_share)}",
    )


def _still(shorter: Duration, window: Duration, still: float, stem: str = names.RULE_COUNT) -> str:
    """The shorter window has its part of the window's count: what made it is going on."""
    part = still * shorter.seconds / window.seconds
    return f"{stem}{shorter} > {number(part)} * {names.RULE_COUNT}{window}"


def _stopped(pack: Pack) -> Iterator[Rule]:
    """Both instants at which the exporter must have been there keep its own outage out: while it is
    down, and while a window has more of that outage in it than of what came after."""
    stopped = pack.policy.stopped
    present = f"group by ({names.SYSTEM}) ({names.RULE_SUM}"
    windows = {one for each in stopped.windows for one in (each.window, each.before, each.confirm)}
    for window in sorted(windows, key=lambda one: one.seconds):
        yield Rule(
            record=names.RULE_SUCCESSES + window,
            expr=of_system(names.RULE_COUNT + window, _SUCCESS),
        )
    below = []
    for one in stopped.windows:
        before = f"{names.RULE_SUCCESSES}{one.before} offset {one.window}"
        factor = stopped.factor * one.window.seconds / one.before.seconds
        half = duration(one.window.seconds // 2)
        yield Rule(
            record=names.RULE_SUCCESS_FLOOR + one.window,
            expr=f"({number(factor)} * {before} - {number(one.slack)})\n"
            f"and {present}) and {present} offset {half})",
        )
        confirm = stopped.confirm_factor * one.confirm.seconds / one.before.seconds
        below.append(
            f"({names.RULE_SUCCESSES}{one.window} < {names.RULE_SUCCESS_FLOOR}{one.window}"
            f" and {names.RULE_SUCCESSES}{one.confirm} < {number(confirm)} * {before})"
        )
    yield Rule(record=names.RULE_STOPPED, expr=either(*below))


def _budget_windows(policy: Policy) -> list[Duration]:
    """The windows of the burn rates, shortest first, and the one that longer ones are summed from."""
    budget = policy.budget
    used = {window for pair in budget.windows for window in (pair.long, pair.short)} | {budget.base}
    return sorted(used, key=lambda window: window.seconds)


def _budget(pack: Pack) -> Iterator[Rule]:
    """Windows longer than `base` are summed from it: three days of samples every minute cost more than
    all other rules together."""
    budget = pack.policy.budget
    for window in _budget_windows(pack.policy):
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
    for window in sorted(slow_windows(pack.policy), key=lambda one: one.seconds):
        yield _increase(window)
        yield Rule(record=names.RULE_ENDS + window, expr=of_system(names.RULE_COUNT + window))
    for one in elevated.windows:
        yield _usual(one.window)
        yield _limit(one.window, one.floor, one.factor, one.root, one.of_ends)
    shortest = elevated.windows[0].window
    yield _rest(pack, shortest)
    for one in elevated.windows:
        parts = [
            _above_limit(one.window),
            _above_share(one.confirm_window, one.confirm_factor, 0),
            *(
                _still(shorter, one.window, elevated.still)
                for shorter in elevated.confirming(one.window)
            ),
            _still(shortest, one.window, elevated.still, names.RULE_REST),
        ]
        yield Rule(record=names.RULE_ELEVATED + one.window, expr="\nand ".join(parts))
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
