"""The lab's table: a line per family and volume."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from statistics import fmean, median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.lab.families import STOPPED
from tests.lab.score import Score, minutes, per_month, quantile, recall


def cells(score: Score) -> dict[str, str]:
    """A score's cells by their headings."""
    pages = score.pages
    took = minutes(pages)
    best = [page.best / 60 for page in pages if not isnan(page.best)]
    resets = [page.reset / 60 for page in pages if page.after is not None]
    sent = [page.notifications for page in pages if page.after is not None]
    stopped = sum(alarm.signal == STOPPED for alarm in score.false_pages)

    placed = [page.placed for page in pages if page.placed is not None]

    def spread(values: Sequence[float]) -> str:
        return f"{median(values):.1f} / {quantile(values, 0.95):.0f}" if values else "–"

    def monthly(count: int) -> str:
        return f"{per_month(count, score.days):.2f}"

    return {
        "recall": f"{recall(pages):.3f} of {len(pages)}" if pages else "–",
        "minutes\nmed. / p95": spread(took),
        "ideal\nmed. / p95": spread(best),
        "false spikes\nin 30 d": monthly(len(score.false_pages) - stopped),
        "false stops\nin 30 d": monthly(stopped),
        "false in\nfirst 3 d": f"{score.first_false}",
        "fires until\nthe end": f"{fmean(reset > 0 for reset in resets):.0%}" if resets else "–",
        "reset\np95 min": f"{quantile(resets, 0.95):.1f}" if resets else "–",
        "notifications\nmean, most": f"{fmean(sent):.1f}, {max(sent)}" if sent else "–",
        "right\nplace": f"{fmean(placed):.0%}" if placed else "–",
        "tickets'\nrecall": f"{recall(score.tickets):.2f}" if score.tickets else "–",
        "false tick.\nin 30 d": f"{per_month(len(score.false_tickets), score.days):.1f}",
        "budget's\nin 30 d": f"{per_month(score.budgets, score.days):.1f}",
    }


def show(scores: Mapping[tuple[str, str, float], Score], title: str) -> None:
    """Prints a line per case, family and volume."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("case", "rules", "ends/h"):
        table.add_column(column, no_wrap=True)
    for heading in cells(Score()):
        table.add_column(heading, justify="right")
    for (name, family, volume), score in scores.items():
        ends = f"{volume:,.0f}" if volume else "–"
        table.add_row(Path(name).name, family, ends, *cells(score).values())
    Console(width=230).print(table)
