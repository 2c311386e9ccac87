"""Goals, and the printed table of figures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

WIDTH: Final = 120
"""Columns of a terminal that the table fits into."""
_GOAL: Final = re.compile(r"([≥≤]) (× )?([\d,.]+)( more)?")


class Goal:
    """`≤ 15` limits the figure, `≥ × 0.5` its ratio to the peer, `≤ 10 more` its difference to the peer."""

    def __init__(self, text: str) -> None:
        match = _GOAL.fullmatch(text)
        assert match, text
        self.text = text
        self.ratio, self.difference = bool(match[2]), bool(match[4])
        self._least, self._amount = match[1] == "≥", float(match[3].replace(",", ""))

    def reached(self, ours: Sequence[float], theirs: Sequence[float] = ()) -> bool:
        """Whether the median reaches the goal; a ratio or difference is computed turn by turn."""
        figure = median(ours)
        if self.ratio:
            figure = ratio(ours, theirs)
        elif self.difference:
            figure = difference(ours, theirs)
        return figure >= self._amount if self._least else figure <= self._amount


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of each turn."""
    return median(own / other for own, other in zip(ours, theirs, strict=True))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the differences of each turn."""
    return median(own - other for own, other in zip(ours, theirs, strict=True))


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
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    *cells, note = row
    if note:
        space = WIDTH - widths[0] - 4
        text = note if len(note) <= space else f"{note[: space - 1]}…"
        return f"{cells[0].ljust(widths[0])}  {text} {cells[5]}".rstrip()
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
