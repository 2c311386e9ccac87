"""When an alert fires, in words: the policy's numbers as somebody reads them who was just woken."""

from dataclasses import dataclass

from exporter.policy.model import Policy
from exporter.render.alerts import rule
from exporter.render.catalog import PAGE, Signal, Subject
from exporter.render.pack import Pack


@dataclass(frozen=True, slots=True)
class Condition:
    """All of it text. `parts` must hold together; the exporter's own alerts have none, since their
    meaning says it. `lasting` tells for how long, `expr` is the same in PromQL."""

    severity: str
    parts: tuple[str, ...]
    lasting: str
    expr: str


def condition(pack: Pack, subject: Subject) -> Condition:
    """What `subject` waits for, with the numbers of the pack's policy."""
    written = rule(pack, subject)
    return Condition(
        "Wakes on-call" if subject.severity == PAGE else "Opens a ticket",
        _parts(pack.policy, subject),
        _lasting(written.for_, written.keep_firing_for),
        written.expr,
    )


def _lasting(for_: str, kept: str) -> str:
    begins = f"Fires when that lasts {for_}" if for_ else "Fires at once"
    return f"{begins}, and for {kept} after it is over." if kept else f"{begins}."


def _parts(policy: Policy, subject: Subject) -> tuple[str, ...]:
    signal = subject.signal
    if signal is Signal.SPIKE:
        return _spike(policy)
    if signal is Signal.OVERRUN:
        window = policy.overrun.window
        return (
            f"its ends in {window} are above the limit {_limit(policy, window)}",
            f"they are more than {_percent(policy.overrun.share)} of all ends in {window}",
        )
    if signal is Signal.ELEVATED:
        return _elevated(policy, subject)
    if signal is Signal.NEW:
        new = policy.new
        return (
            f"at least {new.ends:g} ends with it came in {new.window}",
            f"none came in the {new.memory} before, and the system is known for {new.learning}",
        )
    if signal is Signal.QUEUE:
        queue = policy.queue
        return (
            f"users of a project who wait, on the average of {queue.window}, are more than "
            f"{queue.factor:g} times those {queue.before} before, and {queue.users:g} more",
            "the code does not spike yet",
        )
    return () if subject.system is None else _of_system(policy, signal, subject.system.system)


def _of_system(policy: Policy, signal: Signal, system: str) -> tuple[str, ...]:
    if signal is Signal.BUDGET:
        return _budget(policy, system)
    stopped = policy.stopped
    windows = "; or ".join(
        f"in {one.window}, successes are below {_percent(stopped.factor)} of what the {one.before} just "
        f"before it had in as much time, less {one.slack:g}, and in {one.confirm} below "
        f"{_percent(stopped.confirm_factor)} of it"
        for one in stopped.windows
    )
    return (windows,)


def _spike(policy: Policy) -> tuple[str, ...]:
    spike = policy.spike
    limits = "; or ".join(
        f"in {one.window}, above {_limit(policy, one.window)}, and without the worst {spike.burst} still "
        f"above {_formula(one.rest, spike.rest_factor, spike.rest_root)}"
        for one in policy.limit.windows
    )
    return (
        f"its ends are above a limit: {limits}",
        f"it goes on: the next shorter window has more than {_percent(spike.still)} of its part of them",
        f"its share of all ends in {spike.confirm_window} is more than {spike.confirm_factor:g} times "
        f"the usual plus {_percent(spike.confirm_share)}",
    )


def _limit(policy: Policy, window: str) -> str:
    limit = policy.limit
    (one,) = (one for one in limit.windows if one.window == window)
    return _formula(one.floor, limit.factor, limit.root, one.of_ends)


def _elevated(policy: Policy, subject: Subject) -> tuple[str, ...]:
    code, elevated = subject.code, policy.elevated
    planned = code is not None and code.planned
    windows = [
        f"in {one.window}, above {_formula(one.floor, one.factor, one.root, one.of_ends)}, and in "
        f"{one.confirm_window} still more than {one.confirm_factor:g} times its usual share and "
        f"{_percent(elevated.still)} of its part of them"
        for one in elevated.windows
        if not planned or one.window == elevated.planned_window
    ]
    return (f"its ends are above a limit: {'; or '.join(windows)}",)


def _formula(floor: float, factor: float, root: float, of_ends: float = 0) -> str:
    ends = f" + {_percent(of_ends)} of all ends" if of_ends else ""
    return f"{floor:g} + {factor:g} × usual + {root:g} × √usual{ends}"


def _budget(policy: Policy, system: str) -> tuple[str, ...]:
    budget = policy.budget
    objective = budget.objective_of(system)
    windows = "; or ".join(
        f"more than {_percent(one.factor * (1 - objective))} of the ends that count failed in {one.long} "
        f"and in {one.short}"
        for one in budget.windows
    )
    return (
        f"the objective is {_percent(objective)} over {budget.period}: {windows}",
        f"these are more than {budget.failures:g} failures in the longer window",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
