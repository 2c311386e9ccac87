"""The benchmarks' figures as a table."""

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple


class Row(NamedTuple):
    """A figure, the figure to compare it with, its goal, and whether it reaches the goal."""

    what: str
    measured: str
    against: str
    goal: str
    reached: bool


def spread(values: Iterable[float], digits: int = 0) -> str:
    """The median with minimum and maximum."""
    ordered = sorted(values)
    return f"{median(ordered):,.{digits}f} ({ordered[0]:,.{digits}f}–{ordered[-1]:,.{digits}f})"


def show(rows: Iterable[Row]) -> str:
    lines = [("", "measured", "against", "goal", "")]
    lines += [(*row[:4], "✓" if row.reached else "✗") for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
