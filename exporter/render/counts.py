"""Which windows are counted, and what is recorded of each: the count, the usual, the limit, the rest, and the
count as its capped slices have it."""

from collections.abc import Iterator

from exporter import names
from exporter.policy.model import Duration, Policy, Spike
from exporter.render.promql import (
    PER_SYSTEM,
    duration,
    increase,
    lower,
    number,
    of_system,
    second_longer,
)
from exporter.render.rule import Rule


def fast_windows(policy: Policy) -> set[Duration]:
    """The windows that pages read: short enough to be read every time."""
    windows = {one.window for one in policy.limit.windows}
    windows |= {one.window for one in policy.stopped.windows}
    windows |= {policy.spike.burst, policy.overrun.window, policy.new.window}
    longest = max(window.seconds for window in windows)
    windows |= {one for one in budget_windows(policy) if one.seconds <= longest}
    return windows | {
        window
        for one in policy.stopped.windows
        for window in (one.before, one.longer_before, one.confirm)
        if window.seconds <= longest
    }


def slow_windows(policy: Policy) -> set[Duration]:
    """The windows that only tickets and baselines read, seldom since they hold many samples."""
    windows = {one.window for one in policy.elevated.windows} | {policy.baseline.window}
    windows |= {one.before for one in policy.stopped.windows} | {policy.budget.base}
    windows |= {one.longer_before for one in policy.stopped.windows}
    return windows - fast_windows(policy)


def budget_windows(policy: Policy) -> list[Duration]:
    """The windows of the burn rates, shortest first, and the one that longer ones are summed from."""
    budget = policy.budget
    used = {window for pair in budget.windows for window in (pair.long, pair.short)} | {budget.base}
    return sorted(used, key=lambda window: window.seconds)


def count(window: Duration) -> Rule:
    """How many of each code."""
    return Rule(record=names.RULE_COUNT + window, expr=increase(window))


def usual(window: Duration) -> Rule:
    """How many of each code are usual among as many ends."""
    return Rule(
        record=names.RULE_USUAL + window,
        expr=f"{names.RULE_SHARE} * {PER_SYSTEM} {names.RULE_ENDS}{window}",
    )


def limit(window: Duration, floor: float, factor: float, root: float, of_ends: float) -> Rule:
    """What is more than usual: floor + factor * usual + root * sqrt(usual) + of_ends * ends."""
    expected = names.RULE_USUAL + window
    return Rule(
        record=names.RULE_LIMIT + window,
        expr=f"{number(floor)} + {number(factor)} * {expected} + {number(root)} * sqrt({expected})\n"
        f"  + {PER_SYSTEM} {number(of_ends)} * {names.RULE_ENDS}{window}",
    )


def capped(spike: Spike) -> Iterator[Rule]:
    """A slice's count, and none larger than what one of an outage may have: a user who tries again and again
    has many ends in few slices, an outage has some in each."""
    slice_ = spike.burst
    cap = names.RULE_CAP + slice_
    yield Rule(record=names.RULE_ENDS + slice_, expr=of_system(names.RULE_COUNT + slice_))
    yield Rule(
        record=cap,
        expr=f"{number(spike.cap)} + ({number(spike.cap_factor)} * {names.RULE_SHARE} + "
        f"{number(spike.cap_of_ends)})\n  * {PER_SYSTEM} {names.RULE_ENDS}{slice_}",
    )
    yield Rule(record=names.RULE_CAPPED + slice_, expr=lower(cap, f"{names.RULE_COUNT}{slice_}"))


def steady(window: Duration, slice_: Duration) -> Rule:
    """How many a window has when it is made of its capped slices' mean."""
    slices = number(window.seconds / slice_.seconds)
    return Rule(
        record=names.RULE_STEADY + window,
        expr=f"{slices} * avg_over_time({names.RULE_CAPPED}{slice_}[{_inside(window, slice_)}])",
    )


def rest(window: Duration, burst: Duration) -> Rule:
    """A window's count without its worst burst, which lies within the window."""
    stem = names.RULE_COUNT
    return Rule(
        record=names.RULE_REST + window,
        expr=f"{stem}{window} - max_over_time({stem}{burst}[{_inside(window, burst)}])",
    )


def _inside(window: Duration, slice_: Duration) -> str:
    """The range in which slices end that begin within the window."""
    return second_longer(duration(window.seconds - slice_.seconds))
