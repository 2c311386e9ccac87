"""From conditions to alerts: `for`, `keep_firing_for`, and from when until when each alert fires."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from exporter.backtest.counters import Counters, Flags
from exporter.backtest.detections import Detections
from exporter.backtest.schedule import Cadence
from exporter.policy.model import Duration, Policy
from exporter.render.catalog import Signal, Subject
from exporter.taxonomy.model import Code, System


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert fired from `start` until `end`, Unix seconds; `end` is None when it was firing still."""

    subject: Subject
    start: float
    end: float | None


def firings(
    counters: Counters, system: System, policy: Policy, subjects: Iterable[Subject]
) -> list[Firing]:
    """What the alerts of `subjects` about this system would have done, in order of time."""
    detections = Detections(counters, system, policy)
    found = [
        firing
        for subject in subjects
        if subject.system is not None and subject.system.system == system.system
        for firing in _of(detections, subject)
    ]
    return sorted(found, key=lambda one: (one.start, one.subject.alert))


def _of(detections: Detections, subject: Subject) -> Iterator[Firing]:
    policy, schedule = detections.policy, detections.schedule
    signal, code = subject.signal, subject.code
    if code is None:
        if signal is Signal.STOPPED:
            stopped = policy.stopped
            lasting = stopped.for_, stopped.keep_firing_for
            return _runs(detections, subject, detections.stopped, schedule.windows, lasting)
        budget = policy.budget.for_, policy.budget.keep_firing_for
        return _runs(detections, subject, detections.budget, schedule.budget, budget)
    if signal is Signal.QUEUE:
        # A history of ends does not know who waited.
        return iter(())
    column = detections.counters.codes.index(code.code)
    if signal is Signal.ELEVATED:
        flags = np.zeros(len(schedule.long.rows), np.bool_)
        for window in _watched(policy, code):
            flags |= detections.elevated[window][:, column]
        elevated = policy.elevated.for_, policy.elevated.keep_firing_for
        return _runs(detections, subject, flags, schedule.long, elevated)
    if signal is Signal.NEW:
        kept = Duration("0s"), policy.new.keep_firing_for
        return _runs(detections, subject, detections.new[:, column], schedule.long, kept)
    chosen, lasting_for = (
        (detections.overrun, (policy.overrun.for_, policy.overrun.keep_firing_for))
        if signal is Signal.OVERRUN
        else (detections.spike, (policy.spike.for_, policy.spike.keep_firing_for))
    )
    return _runs(detections, subject, chosen[:, column], schedule.windows, lasting_for)


def _watched(policy: Policy, code: Code) -> list[Duration]:
    """The long windows of a code: the planned have one."""
    return [
        one.window
        for one in policy.elevated.windows
        if not code.planned or one.window == policy.elevated.planned_window
    ]


def _runs(
    detections: Detections,
    subject: Subject,
    flags: Flags,
    cadence: Cadence,
    lasting: tuple[Duration, Duration],
) -> Iterator[Firing]:
    counters = detections.counters
    interval = cadence.every * counters.step
    wait, keep = (-(-one.seconds // interval) for one in lasting)
    for start, end in spans(flags, wait, keep):
        began, ended = counters.times(cadence.rows[[start]])[0], None
        if end is not None:
            ended = float(counters.times(cadence.rows[[end]])[0])
        yield Firing(subject, float(began), ended)


def spans(flags: Flags, wait: int, keep: int) -> Iterator[tuple[int, int | None]]:
    """First evaluation at which an alert fires and first at which it does no more, None when it still
    does at the end. It fires when true at `wait` further evaluations, and for `keep` after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    begun: int | None = None
    until = -1
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if begun is not None and start <= until:
            until = end + keep
            continue
        if begun is not None:
            yield begun, until
            begun = None
        if start + wait < end:
            begun, until = start + wait, end + keep
    if begun is not None:
        yield begun, until if until < len(flags) else None
