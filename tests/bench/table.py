"""What the benchmarks found, as a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """A figure, what it is to be held against, and whether it reaches it."""

    what: str
    measured: str
    against: str
    goal: str
    reached: bool


def spread(values: Iterable[float], digits: int = 0) -> str:
    """The median with minimum and maximum."""
    found = sorted(values)
    return f"{median(found):,.{digits}f} ({found[0]:,.{digits}f}–{found[-1]:,.{digits}f})"


def show(rows: Iterable[Row]) -> str:
    lines = [("", "measured", "against", "goal", "")]
    lines += [
        (row.what, row.measured, row.against, row.goal, "✓" if row.reached else "✗") for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
