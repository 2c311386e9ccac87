"""What the alerts see in the counts: spikes, stops, creeps, new codes. One record each, for all codes."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.policy.model import SECONDS, Duration, Elevated, New, Policy, Stopped, StoppedWindow
from exporter.render.promql import (
    ON_SYSTEM,
    PER_SYSTEM,
    duration,
    either,
    lower,
    number,
    of_system,
)
from exporter.render.rule import Rule
from exporter.taxonomy.model import Outcome

_HOUR: Final = SECONDS["h"]
_SUCCESS: Final = f'{names.OUTCOME}="{Outcome.SUCCESS.value}"'


def spike(policy: Policy) -> Rule:
    """Codes above a limit, with what confirms it; the value is the confirming window's count."""
    spike, windows = policy.spike, policy.limit.windows
    above = []
    for shorter, one in zip((None, *windows), windows, strict=False):
        usual = names.RULE_USUAL + one.window
        parts = [
            _above_limit(one.window),
            f"{names.RULE_STEADY}{one.window} > {names.RULE_LIMIT}{one.window}",
            f"{names.RULE_REST}{one.window} > {number(one.rest)} + {number(spike.rest_factor)} * {usual}"
            f" + {number(spike.rest_root)} * sqrt({usual})",
        ]
        if shorter is not None:
            parts.append(_still(shorter.window, one.window, spike.still))
        above.append("(" + "\n    and ".join(parts) + ")")
    return Rule(
        record=names.RULE_SPIKE,
        expr=f"{names.RULE_COUNT}{spike.confirm_window}\n"
        f"and (\n  {either(*above)}\n)\n"
        f"and {_above_share(spike.confirm_window, spike.confirm_factor, spike.confirm_share)}",
    )


def stopped(policy: Stopped) -> Iterator[Rule]:
    """Systems whose successes are far below those of the hours before.

    Both instants at which the exporter must have been there keep its own outage out: while it is
    down, and while a window has more of that outage in it than of what came after.
    """
    present = f"group by ({names.SYSTEM}) ({names.RULE_SUM}"
    windows = {
        one
        for each in policy.windows
        for one in (each.window, each.before, each.longer_before, each.confirm)
    }
    for window in sorted(windows, key=lambda one: one.seconds):
        yield Rule(
            record=names.RULE_SUCCESSES + window,
            expr=of_system(names.RULE_COUNT + window, _SUCCESS),
        )
    below = []
    for one in policy.windows:
        before = _an_hour_before(one)
        if one.before != one.longer_before:
            record = names.RULE_SUCCESS_BEFORE + one.window
            yield Rule(record=record, expr=before)
            before = record
        factor = policy.factor * one.window.seconds / _HOUR
        half = duration(one.window.seconds // 2)
        yield Rule(
            record=names.RULE_SUCCESS_FLOOR + one.window,
            expr=f"({number(factor)} * {before} - {number(one.slack)})\n"
            f"and {present}) and {present} offset {half})",
        )
        confirm = policy.confirm_factor * one.confirm.seconds / _HOUR
        below.append(
            f"({names.RULE_SUCCESSES}{one.window} < {names.RULE_SUCCESS_FLOOR}{one.window}"
            f" and {names.RULE_SUCCESSES}{one.confirm} < {number(confirm)} * {before})"
        )
    yield Rule(record=names.RULE_STOPPED, expr=either(*below, *_held(policy)))


def _held(policy: Stopped) -> Iterator[str]:
    """What was stopped a moment ago still is while its last window is below what the longer look alone makes
    of it: hours into an outage the shorter look has only the outage."""
    last = policy.windows[-1]
    if last.before == last.longer_before:
        return
    before = f"{names.RULE_SUCCESSES}{last.longer_before} offset {last.window}"
    floor = policy.factor * last.window.seconds / last.longer_before.seconds
    confirm = policy.confirm_factor * last.confirm.seconds / last.longer_before.seconds
    yield (
        f"({names.RULE_STOPPED} and {names.RULE_SUCCESS_FLOOR}{last.window}"
        f" and {names.RULE_SUCCESSES}{last.window} < {number(floor)} * {before} - {number(last.slack)}"
        f" and {names.RULE_SUCCESSES}{last.confirm} < {number(confirm)} * {before})"
    )


def _an_hour_before(window: StoppedWindow) -> str:
    """Successes an hour before the window: the lower of two rates, since a quiet evening that has begun shows
    in the shorter and a busy hour that has passed in the longer."""
    rates = []
    for before in dict.fromkeys((window.before, window.longer_before)):
        rate = f"{names.RULE_SUCCESSES}{before} offset {window.window}"
        if before.seconds != _HOUR:
            rate = f"{number(_HOUR / before.seconds)} * {rate}"
        rates.append(rate)
    if len(rates) == 1:
        return rates[0]
    return lower(*rates)


def new(policy: New, day: Duration) -> Rule:
    """Codes that come for the first time.

    The memory is a day's increase, over all of the memory but that day: one day's history is enough
    on the first day.
    """
    rest = f"{names.RULE_SNAPSHOT}[{duration(policy.memory.seconds - day.seconds)}]"
    return Rule(
        record=names.RULE_NEW,
        # Extrapolation turns 2 ends into 1.98, and 0 never into anything else.
        expr=f"{names.RULE_COUNT}{policy.window} > {number(policy.ends - 0.5)}\n"
        f"unless max_over_time({names.RULE_COUNT}{day}{rest} offset {policy.window}) > 0\n"
        f"and {ON_SYSTEM} max_over_time({names.RULE_ENDS}{day}{rest} offset {policy.learning})",
    )


def elevated(policy: Elevated) -> Iterator[Rule]:
    """Codes that creep up: above a long window's limit and its share, still going on in an hour, and not by
    one burst."""
    first = policy.windows[0]
    for one in policy.windows:
        parts = (
            _above_limit(one.window),
            _above_share(one.confirm_window, one.confirm_factor, 0),
            _still(first.confirm_window, one.window, policy.still),
            _still(first.window, one.window, policy.still, names.RULE_REST),
        )
        yield Rule(record=names.RULE_ELEVATED + one.window, expr="\nand ".join(parts))


def _above_limit(window: Duration) -> str:
    return f"{names.RULE_COUNT}{window} > {names.RULE_LIMIT}{window}"


def _above_share(window: Duration, factor: float, plus: float) -> str:
    """The window's share against the usual one, whatever the traffic."""
    more = f" + {number(plus)}" if plus else ""
    return (
        f"{names.RULE_COUNT}{window} / {PER_SYSTEM} {names.RULE_ENDS}{window}"
        f" > {number(factor)} * {names.RULE_SHARE}{more}"
    )


def _still(shorter: Duration, window: Duration, still: float, stem: str = names.RULE_COUNT) -> str:
    """The shorter window has its part of the window's count: what made it is going on."""
    part = still * shorter.seconds / window.seconds
    return f"{stem}{shorter} > {number(part)} * {names.RULE_COUNT}{window}"
