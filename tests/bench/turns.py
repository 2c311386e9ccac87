"""Measures an exporter and its peers in turns, so that a machine that becomes slower affects all of them.

Prints a table of the figures and their goals.
"""

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from operator import sub, truediv
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.bench.setup import Setup

WIDTH: Final = 120
"""Columns of a terminal that the table fits into."""


class Unavailable(Exception):
    """A peer or a condition is missing. The message names it and says how to get it."""


class Sample(NamedTuple):
    """One turn's figure, µs of processor time per event of the exporter, a note for the reader, and the 99th
    percentile of a request's latency in seconds where it is known."""

    value: float
    cpu: float | None = None
    note: str = ""
    p99: float | None = None


Measure = Callable[[], Sample]
"""Measures the programs of a bench for one turn."""
Open = Callable[[Setup], AbstractContextManager[Measure]]
"""Starts the programs of a bench."""


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


class Goal:
    """`≤ 15` limits the figure, `≥ × 0.5` its ratio to the peer, `≤ 10 more` its difference to the peer."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"([≥≤]) (× )?([\d,.]+)( more)?", text)
        assert match, text
        self.text = text
        self.difference = bool(match[4])
        self._ratio = bool(match[2])
        self._least, self._amount = match[1] == "≥", float(match[3].replace(",", ""))

    def reached(self, ours: Sequence[float], theirs: Sequence[float] = ()) -> bool:
        """Whether the median reaches the goal; a ratio or difference is computed turn by turn."""
        figure = median(ours)
        if self._ratio or self.difference:
            figure = compared(ours, theirs, truediv if self._ratio else sub)
        return figure >= self._amount if self._least else figure <= self._amount


def compared(
    ours: Sequence[float], theirs: Sequence[float], how: Callable[[float, float], float]
) -> float:
    """The median of the ratios or differences of each turn."""
    return median(map(how, ours, theirs))


@dataclass(frozen=True)
class Line:
    """A line of the table. `reached` is None without a goal; `note` replaces the cells after the first."""

    what: str
    measured: str = ""
    beside: str = ""
    compared: str = ""
    goal: str = ""
    reached: bool | None = None
    note: str = ""


def spread(values: Sequence[float]) -> str:
    """The median, and half the range as a share of it."""
    middle = median(values)
    digits = 0 if abs(middle) >= 1000 else 1 if abs(middle) >= 10 else 2
    share = 50 * (max(values) - min(values)) / abs(middle) if middle else 0
    return f"{middle:,.{digits}f} ±{share:.0f} %"


def show(lines: Iterable[Line]) -> str:
    rows = [("", "measured", "beside", "", "goal", "", "")]
    for line in lines:
        mark = {True: "✓", False: "✗", None: ""}[line.reached]
        cells = (line.what, line.measured, line.beside, line.compared, line.goal, mark, line.note)
        rows.append(cells)
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:6]]
    shown = []
    for *row, note in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if note:
            space = WIDTH - widths[0] - 4
            text = note if len(note) <= space else f"{note[: space - 1]}…"
            padded[1:] = [f"{text} {row[5]}"]
        shown.append("  ".join(padded).rstrip())
    return "\n".join(shown)


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
    beside = [(peer, turns) for (peer, _), turns in zip(theirs, others, strict=True)]
    yield from _lines(bench.what, None if against else bench.goal, samples, beside)
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
    text = f"× {compared(ours, theirs, truediv):.2f}"
    if limit and limit.difference:
        text = f"{compared(ours, theirs, sub):+.1f}"
    return replace(
        line,
        beside=f"{peer.name} {spread(theirs)}",
        compared=text,
        goal=limit.text if limit else line.goal,
        reached=limit.reached(ours, theirs) if limit else line.reached,
    )
