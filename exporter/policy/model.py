"""The shape of a policy; each class is one mapping of policy.yaml and each field one of its keys.

A trailing underscore is no part of the key (`for_` is `for`). Every class but `Policy` has a `reason`.
"""

from dataclasses import dataclass
from typing import Final

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Duration(str):
    """A Prometheus duration of one number and one unit, as written: `5m`."""

    __slots__ = ()

    @property
    def seconds(self) -> int:
        return int(self[:-1]) * SECONDS[self[-1]]


class Fraction(float):
    """A number between 0 and 1, neither included."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often the groups of rules are evaluated."""

    reason: str
    baseline: Duration
    windows: Duration
    budget: Duration
    long: Duration
    pipeline: Duration


@dataclass(frozen=True, slots=True)
class Baseline:
    """share1d = (prior_count + count) / (prior_ends + ends); share = its median over `median_window`."""

    reason: str
    window: Duration
    prior_count: float
    prior_ends: float
    median_window: Duration
    median_step: Duration


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """One window's own terms: `floor` ends, and `of_ends` of all ends; `rest` is the floor of what must be
    left without the worst burst."""

    reason: str
    window: Duration
    floor: float
    of_ends: Fraction
    rest: float


@dataclass(frozen=True, slots=True)
class Limit:
    """limit = floor + factor * usual + root * sqrt(usual) + of_ends * ends."""

    reason: str
    factor: float
    root: float
    windows: tuple[LimitWindow, ...]


@dataclass(frozen=True, slots=True)
class Spike:
    """Above a limit, confirmed by the share in `confirm_window`.

    Without its worst `burst` a window must hold more than
    rest + rest_factor * usual + rest_root * sqrt(usual), and the next shorter window more than `still` of
    its part of the window's count. Seen through slices as long as `burst`, of which none counts for more
    than cap + cap_factor * usual + cap_of_ends * ends, the window must be above its limit too.
    """

    reason: str
    confirm_window: Duration
    confirm_factor: float
    confirm_share: Fraction
    burst: Duration
    rest_factor: float
    rest_root: float
    cap: float
    cap_factor: float
    cap_of_ends: Fraction
    still: Fraction
    for_: Duration
    keep_firing_for: Duration


@dataclass(frozen=True, slots=True)
class Overrun:
    """What a planned code has instead of `Spike`: more than `share` of all ends in `window`."""

    reason: str
    window: Duration
    share: Fraction
    for_: Duration
    keep_firing_for: Duration


@dataclass(frozen=True, slots=True)
class ElevatedWindow:
    """A long window's limit; it must still be going on in `confirm_window`."""

    reason: str
    window: Duration
    floor: float
    factor: float
    root: float
    of_ends: Fraction
    confirm_window: Duration
    confirm_factor: float


@dataclass(frozen=True, slots=True)
class Elevated:
    """A slow creep; planned codes are watched in `planned_window` only. The first window's
    confirming one, and the first window without its worst burst, must have more than `still` of their
    part of the window's count."""

    reason: str
    planned_window: Duration
    still: Fraction
    windows: tuple[ElevatedWindow, ...]
    for_: Duration
    keep_firing_for: Duration


@dataclass(frozen=True, slots=True)
class New:
    """At least `ends` in `window` and none in `memory` before; silent until a system is `learning` old."""

    reason: str
    window: Duration
    ends: float
    memory: Duration
    learning: Duration
    keep_firing_for: Duration


@dataclass(frozen=True, slots=True)
class StoppedWindow:
    """Successes in `window` below factor * (as many as came in that time before it) - slack, and in `confirm`
    below confirm_factor * (the same): at the rate of `before`, or of `longer_before` when that is less, both
    just before the window."""

    reason: str
    window: Duration
    before: Duration
    longer_before: Duration
    slack: float
    confirm: Duration


@dataclass(frozen=True, slots=True)
class Stopped:
    """Successes far below those of the hours before, in any of `windows`; going on while the last of them is
    below what its `longer_before` alone makes of it."""

    reason: str
    factor: Fraction
    confirm_factor: Fraction
    windows: tuple[StoppedWindow, ...]
    for_: Duration
    keep_firing_for: Duration


@dataclass(frozen=True, slots=True)
class Chosen:
    """A code that a section is about; `place` is file and line."""

    reason: str
    system: str
    code: str
    place: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Users of a project who wait, averaged over `window`: more than `factor` times those `before`, and
    `users` more, while the code that turns users away does not spike yet."""

    reason: str
    window: Duration
    before: Duration
    factor: float
    users: float
    for_: Duration
    keep_firing_for: Duration
    codes: tuple[Chosen, ...] = ()


@dataclass(frozen=True, slots=True)
class Builds:
    """Spikes of `codes` say how long ago the last build came, when that is no longer than `window`."""

    reason: str
    window: Duration
    codes: tuple[Chosen, ...] = ()


@dataclass(frozen=True, slots=True)
class Objective:
    """A system's own objective; `place` is file and line."""

    reason: str
    system: str
    objective: Fraction
    place: str


@dataclass(frozen=True, slots=True)
class BurnRate:
    """Both windows burn `factor` times faster than the objective allows."""

    reason: str
    long: Duration
    short: Duration
    factor: float


@dataclass(frozen=True, slots=True)
class Budget:
    """`objective` is success / (success + failure); fewer than `failures` in the long window are none."""

    reason: str
    objective: Fraction
    period: Duration
    failures: float
    base: Duration
    windows: tuple[BurnRate, ...]
    for_: Duration
    keep_firing_for: Duration
    objectives: tuple[Objective, ...] = ()

    def objective_of(self, system: str) -> float:
        own = {one.system: one.objective for one in self.objectives}
        return float(own.get(system, self.objective))


@dataclass(frozen=True, slots=True)
class Lasting:
    """A condition without a number: how long it must last."""

    reason: str
    for_: Duration


@dataclass(frozen=True, slots=True)
class Recent:
    """Something that must not have happened in the last `window`."""

    reason: str
    window: Duration


@dataclass(frozen=True, slots=True)
class Silence:
    """No event in `window` though more than `events` came in `before`."""

    reason: str
    window: Duration
    before: Duration
    events: float
    for_: Duration


@dataclass(frozen=True, slots=True)
class Counted:
    """More than `events` in `window`, and more than `share` of all events."""

    reason: str
    window: Duration
    events: float
    share: Fraction
    for_: Duration


@dataclass(frozen=True, slots=True)
class Refusals:
    """More than `requests` refused in `window`, and more than `share` of all requests."""

    reason: str
    window: Duration
    requests: float
    share: Fraction
    for_: Duration


@dataclass(frozen=True, slots=True)
class Missing:
    """Counts that were there in `memory` and are not now, or were not in the last `settled`, for longer than
    `for`; looked at every `memory_step` and every `settled_step`."""

    reason: str
    memory: Duration
    memory_step: Duration
    settled: Duration
    settled_step: Duration
    for_: Duration


@dataclass(frozen=True, slots=True)
class Delay:
    """A quantile of the events' age, in seconds, over `window`."""

    reason: str
    window: Duration
    quantile: Fraction
    age: float
    for_: Duration


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The alerts about the exporter itself; `job` is its job label in Prometheus."""

    reason: str
    job: str
    keep_firing_for: Duration
    down: Lasting
    absent: Lasting
    counts_missing: Missing
    no_events: Silence
    ledger_not_writable: Lasting
    ledger_damaged: Recent
    ledger_lost: Recent
    ledger_misconfigured: Lasting
    requests_refused: Refusals
    events_rejected: Counted
    unknown_codes: Counted
    clock_skew: Counted
    events_delayed: Delay
    dedup_window_full: Recent


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy.yaml."""

    intervals: Intervals
    baseline: Baseline
    limit: Limit
    spike: Spike
    overrun: Overrun
    elevated: Elevated
    new: New
    stopped: Stopped
    budget: Budget
    queue: Queue
    builds: Builds
    pipeline: Pipeline

    @property
    def queued(self) -> frozenset[tuple[str, str]]:
        """(system, code) pairs ahead of which users queue."""
        return frozenset((one.system, one.code) for one in self.queue.codes)

    @property
    def suspect(self) -> frozenset[tuple[str, str]]:
        """(system, code) pairs that a new build can cause."""
        return frozenset((one.system, one.code) for one in self.builds.codes)
