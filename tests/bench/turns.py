"""Measures an exporter and its peers in turns, so that a machine that becomes slower affects all of them."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tests.bench.setup import Setup
from tests.bench.table import Goal, Line, difference, ratio, spread


class Unavailable(Exception):
    """A peer or a condition is missing. The message names it and says how to get it."""


class Sample(NamedTuple):
    """One turn's figure, µs of processor time per event of the exporter, a note for the reader, and the 99th
    percentile of a request's latency in seconds where it is known."""

    value: float
    cpu: float | None = None
    note: str = ""
    p99: float | None = None


Open = Callable[[Setup], AbstractContextManager[Callable[[], Sample]]]
"""Starts the programs of a bench, and yields a function that measures them for one turn."""


@dataclass(frozen=True)
class Peer:
    """A program with which the exporter is compared."""

    name: str
    open: Open
    goal: str | None = None


@dataclass(frozen=True)
class Bench:
    """A figure of the exporter, with its peers or with a limit in `goal`; `key` is for `--only`."""

    key: str
    what: str
    open: Open
    peers: Sequence[Peer] = ()
    goal: str | None = None


def measure(bench: Bench, setup: Setup, runs: int, against: Path | None = None) -> Iterator[Line]:
    """The lines of a bench. `against` is another checkout that takes the place of the peers."""
    peers = bench.peers
    if against:
        old = replace(setup, root=against)
        peers = [Peer("old", lambda _: bench.open(old))]
    try:
        with ExitStack() as stack:
            ours = stack.enter_context(bench.open(setup))
            theirs, missing = [], []
            for peer in peers:
                try:
                    theirs.append((peer, stack.enter_context(peer.open(setup))))
                except Unavailable as reason:
                    note = f"{peer.name} not measured: {reason}"
                    missing.append(Line("", note=note, reached=False if peer.goal else None))
            rounds = [[*(turn() for _, turn in theirs), ours()] for _ in range(runs)]
    except Exception as error:
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}".replace("\n", " ")
        yield Line(bench.what, note=f"not measured: {problem}", reached=False)
        return
    *others, samples = zip(*rounds, strict=True)
    compared = [(peer, turns) for (peer, _), turns in zip(theirs, others, strict=True)]
    yield from _lines(bench.what, None if against else bench.goal, samples, compared)
    yield from missing


def _lines(
    what: str,
    goal: str | None,
    samples: Sequence[Sample],
    others: Sequence[tuple[Peer, Sequence[Sample]]],
) -> Iterator[Line]:
    values = [sample.value for sample in samples]
    first = Line(what, spread(values))
    if goal:
        first = replace(first, goal=goal, reached=Goal(goal).reached(values))
    if not others:
        yield first
    for peer, turns in others:
        yield _compared(first, peer, values, [sample.value for sample in turns])
        first = Line("")
    cpu = [sample.cpu for sample in samples if sample.cpu is not None]
    if cpu:
        line = Line("  µs of processor time per event", spread(cpu))
        for peer, turns in others:
            theirs = [sample.cpu for sample in turns if sample.cpu is not None]
            if theirs:
                line = _compared(line, peer, cpu, theirs, goal=False)
        yield line
    if note := samples[-1].note:
        yield Line("", note=note)


def _compared(
    line: Line, peer: Peer, ours: Sequence[float], theirs: Sequence[float], *, goal: bool = True
) -> Line:
    limit = Goal(peer.goal) if goal and peer.goal else None
    compared = f"× {ratio(ours, theirs):.2f}"
    if limit and limit.difference:
        compared = f"{difference(ours, theirs):+.1f}"
    return replace(
        line,
        beside=f"{peer.name} {spread(theirs)}",
        compared=compared,
        goal=limit.text if limit else line.goal,
        reached=limit.reached(ours, theirs) if limit else line.reached,
    )
