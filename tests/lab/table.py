"""The lab's table: a line per family and volume."""

from collections.abc import Mapping
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.lab.score import Score, minutes, per_month, quantile, recall


def cells(score: Score) -> dict[str, str]:
    """A score's cells by their headings."""
    pages = score.pages
    took = minutes(pages)
    best = [page.best / 60 for page in pages]
    resets = [page.reset / 60 for page in pages if page.after is not None]
    flapping = [page.notifications for page in pages if page.incident.flapping]
    first = [page for page in pages if page.first_days]

    def spread(values: list[float]) -> str:
        return f"{median(values):.1f} / {quantile(values, 0.95):.1f}" if values else "–"

    return {
        "recall": f"{recall(pages):.3f}",
        "min to detect\nmedian / p95": spread(took),
        "ideal observer\nmedian / p95": spread(best),
        "false pages\nin 30 d": f"{per_month(len(score.false_pages), score.days):.2f}",
        "reset\np95 min": f"{quantile(resets, 0.95):.1f}" if resets else "–",
        "most notif.\nof a flapping": f"{max(flapping, default=0)}",
        "tickets'\nrecall": f"{recall(score.tickets):.2f}",
        "false tickets\nin 30 d": f"{per_month(len(score.false_tickets), score.days):.1f}",
        "budget's\nin 30 d": f"{per_month(score.budgets, score.days):.1f}",
        "first 3 d:\nrecall": f"{recall(first):.2f}",
        "first 3 d: false\npages in 30 d": f"{per_month(score.first_false, score.first_days):.1f}",
    }


def show(scores: Mapping[tuple[str, float], Score], title: str) -> None:
    """Prints the table."""
    table = Table(title=title, title_justify="left")
    table.add_column("rules")
    table.add_column("ends/h", justify="right")
    for heading in cells(Score()):
        table.add_column(heading, justify="right")
    for (family, volume), score in scores.items():
        table.add_row(family, f"{volume:,.0f}", *cells(score).values())
    Console(width=180).print(table)
