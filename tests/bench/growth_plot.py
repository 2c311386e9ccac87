"""The plot of `tests.bench.growth`: rates in the upper row, their costs in the lower row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

SINGLES, P99, BATCHES, MEMORY, SCRAPE = 0, 2, 3, 5, 6
"""Positions in a row of figures."""
COLORS: Final = {"single events": "#c2185b", "batches of 1,000": "#00796b"}
LOWER: Final = (
    (MEMORY, "Memory of the exporter (MiB)"),
    (SCRAPE, "Time for /metrics (ms)"),
    (P99, "p99 of a single event (ms)"),
)


def draw(figures: Mapping[str, Mapping[str, tuple[float | None, ...]]], path: Path) -> None:
    """An SVG of two rows, with a column per axis; the same bytes for the same figures."""
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
