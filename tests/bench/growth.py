"""`python -m tests.bench.growth`: how speed and memory change with ids, series and connections.

Prints a Markdown table, and draws it. Takes about ten minutes of a quiet machine with 4 GiB of free memory.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.costs import SETTINGS, add_series, scrape
from tests.bench.load import posted
from tests.bench.setup import Setup, working_folder
from tests.bench.turns import Sample
from tests.bench.wrk import fill
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.usage import MIB, resident

IDS: Final = (0, 1_000_000, 10_000_000, 50_000_000)
SERIES: Final = (0, 1_000, 10_000, 50_000)
"""Numbers of series in addition to those of the taxonomies."""
CONNECTIONS: Final = (1, 4, 16, 64, 256, 1024)
HEADINGS: Final = (
    *("", "", "single events/s", "µs each", "p99 ms", "events/s in batches", "µs each"),
    *("MiB", "ms for /metrics"),
)

SINGLES, P99, BATCHES, MEMORY, SCRAPE = 0, 2, 3, 5, 6
"""Positions in a row of figures."""
COLORS: Final = {"single events": "#c2185b", "batches of 1,000": "#00796b"}
LOWER: Final = (
    (MEMORY, "Memory of the exporter (MiB)"),
    (SCRAPE, "Time for /metrics (ms)"),
    (P99, "p99 of a single event (ms)"),
)


@dataclass
class Point:
    """An exporter in one state, and the figures measured in its turns."""

    label: str
    exporter: ExporterProcess
    connections: int = 64
    singles: list[Sample] = field(default_factory=list)
    batches: list[Sample] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)
    memory: int = 0
    values: int = 0

    def turn(self, setup: Setup) -> None:
        exporters = [self.exporter]
        self.singles.append(posted(exporters, "single.lua", self.connections, setup.seconds))
        if self.connections == 64:
            self.batches.append(posted(exporters, "batch.lua", 8, setup.seconds, (), self.values))
        self.scrapes.append(scrape(self.exporter))
        self.memory = resident(self.exporter)

    def row(self) -> tuple[float | None, ...]:
        """The figures in the order of the headings."""
        return (
            *_medians(self.singles),
            median(1000 * (sample.p99 or 0) for sample in self.singles),
            *(_medians(self.batches) if self.batches else (None, None)),
            self.memory / MIB,
            median(1000 * seconds for seconds in self.scrapes),
        )


def _medians(samples: Sequence[Sample]) -> tuple[float, float]:
    """Events per second, and µs of processor time per event."""
    return median(sample.value for sample in samples), median(sample.cpu or 0 for sample in samples)


def by_ids(setup: Setup, stack: ExitStack) -> Iterator[Point]:
    """Deduplication windows that are full, as after a day of traffic."""
    for ids in IDS[: 1 if setup.quick else None]:
        settings = {"dedup_window_ids": max(ids, 1000)}
        exporter = stack.enter_context(setup.exporter(settings))
        fill(exporter, ids)
        yield Point(f"{ids:,}", exporter)


def by_series(setup: Setup, stack: ExitStack) -> Iterator[Point]:
    for series in SERIES[1:2] if setup.quick else SERIES:
        exporter = stack.enter_context(setup.exporter(SETTINGS))
        shown, values = add_series(exporter, series)
        yield Point(f"{shown:,}", exporter, values=values)


def by_connections(setup: Setup, stack: ExitStack) -> Iterator[Point]:
    exporter = stack.enter_context(setup.exporter({"max_connections": 2000}))
    for connections in CONNECTIONS[: 1 if setup.quick else None]:
        yield Point(f"{connections:,}", exporter, connections)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--plot", type=Path, help="write the plot to this SVG file")
    parser.add_argument("--quick", action="store_true", help="short: the figures mean nothing")
    chosen = parser.parse_args()
    runs, seconds = (1, 1) if chosen.quick else (5, 3)
    figures: dict[str, dict[str, tuple[float | None, ...]]] = {}
    print(f"| {' | '.join(HEADINGS)} |")
    print(f"|---|{'---:|' * (len(HEADINGS) - 1)}")
    with working_folder() as folder:
        setup = Setup(folder, seconds, chosen.quick)
        axes: dict[str, Callable[[Setup, ExitStack], Iterator[Point]]] = {
            "ids in the window": by_ids,
            "series": by_series,
            "connections": by_connections,
        }
        for axis, opened in axes.items():
            with ExitStack() as stack:
                points = list(opened(setup, stack))
                for number in range(runs):
                    print(f"{axis}: turn {number + 1} of {runs} …", file=sys.stderr, flush=True)
                    for point in points:
                        point.turn(setup)
                figures[axis] = {point.label: point.row() for point in points}
            _show(axis, figures[axis])
    if chosen.plot:
        draw(figures, chosen.plot)


def _show(axis: str, rows: Mapping[str, tuple[float | None, ...]]) -> None:
    for label, row in rows.items():
        cells = ("" if value is None else f"{value:,.{0 if value >= 100 else 1}f}" for value in row)
        print(f"| {axis} | {label} | {' | '.join(cells)} |", flush=True)


def draw(figures: Mapping[str, Mapping[str, tuple[float | None, ...]]], path: Path) -> None:
    """An SVG with a column per axis, rates in the upper row and their costs in the lower row.

    It has the same bytes for the same figures.
    """
    # matplotlib takes 0.7 s of each process that collects tests.
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    with mpl.rc_context({"svg.hashsalt": "growth", "font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        parts = figure.subplots(2, 3)
        for upper, lower, (position, title), (axis, rows) in zip(
            *parts, LOWER, figures.items(), strict=True
        ):
            places = range(len(rows))
            for name, column in (("single events", SINGLES), ("batches of 1,000", BATCHES)):
                values = [row[column] for row in rows.values()]
                if None not in values:
                    upper.plot(places, values, marker="o", label=name, color=COLORS[name])
            # A factor is the same distance everywhere: both rates can be read in one part.
            upper.set_yscale("log")
            upper.set_ylim(100, 10_000_000)
            upper.yaxis.set_major_formatter(EngFormatter(sep=" "))
            upper.set_title(f"Events/s by {axis}")
            upper.set_xticks(places, list(rows))
            # Linear: a cost in proportion is a straight line.
            amounts = [float(label.replace(",", "")) for label in rows]
            lower.plot(amounts, [row[position] for row in rows.values()], "ko-")
            lower.set_ylim(bottom=0)
            lower.xaxis.set_major_formatter(EngFormatter(sep=" "))
            lower.set_title(title)
            for part in (upper, lower):
                part.set_xlabel(axis)
                part.grid(alpha=0.3)
        parts[0][0].legend(loc="lower left", fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
