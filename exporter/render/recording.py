"""The recording rules in their groups: the baseline, windows, budgets, long windows, snapshots."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.render import counts, detections
from exporter.render.burn_rates import error_ratios
from exporter.render.counts import fast_windows, slow_windows
from exporter.render.pack import Pack
from exporter.render.promql import CODE_LABELS, INSTANCE, PER_SYSTEM, either, number, of_system
from exporter.render.rule import Group, Rule, RuleFile
from exporter.taxonomy.model import Outcome, Severity

BASELINE_PATH: Final = "rules/baseline.yml"
WINDOWS_PATH: Final = "rules/windows.yml"
_SUCCESS: Final = f'{names.OUTCOME}="{Outcome.SUCCESS.value}"'
_NO_SUCCESS: Final = f'{names.OUTCOME}!="{Outcome.SUCCESS.value}"'


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
                Group("session-ends-budget", intervals.budget, tuple(error_ratios(pack.policy))),
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
        if code.outcome is Outcome.SUCCESS and code.severity is not Severity.NONE
    ]
    return [_NO_SUCCESS, *successes]


def _baseline(pack: Pack) -> Iterator[Rule]:
    base = pack.policy.baseline
    day, share, count = names.RULE_SHARE_DAY, names.RULE_SHARE, names.RULE_COUNT + base.window
    watching = " or ".join(f"{count}{{{matchers}}}" for matchers in watched(pack))
    yield Rule(
        record=day,
        expr=f"({number(base.prior_count)} + ({watching}))\n"
        f"  / {PER_SYSTEM} ({number(base.prior_ends)} + {names.RULE_ENDS}{base.window})",
    )
    yield Rule(
        record=share,
        expr=either(
            f"quantile_over_time(0.5, {day}{names.RULE_SNAPSHOT}[{base.median_window}])", day
        ),
    )


def _windows(pack: Pack) -> Iterator[Rule]:
    """Every window is read from one sum per exporter and code, which is recorded first: its cost does not
    grow with the configured labels. Summing before `increase` is safe here and not elsewhere, because
    an exporter's counters are read in one scrape and survive its restarts; a new ledger is new series."""
    policy = pack.policy
    kept = ", ".join((names.LEDGER, INSTANCE, *CODE_LABELS))
    yield Rule(record=names.RULE_SUM, expr=f"sum by ({kept}) ({names.SESSION_ENDS})")
    for window in sorted(fast_windows(policy), key=lambda one: one.seconds):
        yield counts.count(window)
    yield from counts.capped(policy.spike)
    for one in policy.limit.windows:
        yield Rule(
            record=names.RULE_ENDS + one.window, expr=of_system(names.RULE_COUNT + one.window)
        )
        yield counts.usual(one.window)
        yield counts.limit(
            one.window, one.floor, policy.limit.factor, policy.limit.root, one.of_ends
        )
        yield counts.rest(one.window, policy.spike.burst)
        yield counts.steady(one.window, policy.spike.burst)
    yield detections.spike(policy)
    yield from detections.stopped(policy.stopped)


def _long(pack: Pack) -> Iterator[Rule]:
    policy = pack.policy
    elevated = policy.elevated
    for window in sorted(slow_windows(policy), key=lambda one: one.seconds):
        yield counts.count(window)
        yield Rule(record=names.RULE_ENDS + window, expr=of_system(names.RULE_COUNT + window))
    for one in elevated.windows:
        yield counts.usual(one.window)
        yield counts.limit(one.window, one.floor, one.factor, one.root, one.of_ends)
    yield counts.rest(elevated.windows[0].window, policy.spike.burst)
    yield from detections.elevated(elevated)
    yield detections.new(policy.new, policy.baseline.window)


def _snapshots(pack: Pack) -> Iterator[Rule]:
    """What is read over a week, noted every few minutes. The subqueries that were here before looked each
    of a week's steps up anew: 340 of the 470 ms that all rules took."""
    day = pack.policy.baseline.window
    for record in (names.RULE_SHARE_DAY, names.RULE_COUNT + day, names.RULE_ENDS + day):
        yield Rule(record=record + names.RULE_SNAPSHOT, expr=record)
