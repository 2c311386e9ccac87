"""The lab's table: a line per family and volume."""

from collections.abc import Mapping, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.lab.score import Detection, Score


def recall(detections: Sequence[Detection]) -> float:
    """The share of detected incidents; 1 without any incident."""
    return (
        sum(item.after is not None for item in detections) / len(detections) if detections else 1.0
    )


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def minutes(detections: Sequence[Detection]) -> list[float]:
    return [item.after / 60 for item in detections if item.after is not None]


def per_month(count: int, days: float) -> float:
    return count * 30 / days if days else 0.0


def row(score: Score) -> list[str]:
    """A score's cells, in the order of `HEADINGS`."""
    pages = score.pages
    took = minutes(pages)
    best = [page.best / 60 for page in pages]
    resets = [page.reset / 60 for page in pages if page.after is not None]
    flapping = [
        page.notifications for page in pages if page.incident.flapping and page.notifications
    ]
    first = [page for page in pages if page.first_days]
    return [
        f"{recall(pages):.3f}",
        f"{median(took):.1f} / {quantile(took, 0.95):.1f}" if took else "–",
        f"{median(best):.1f} / {quantile(best, 0.95):.1f}" if best else "–",
        f"{per_month(len(score.false_pages), score.days):.2f}",
        f"{quantile(resets, 0.95):.1f}" if resets else "–",
        f"{max(flapping, default=0)}",
        f"{recall(score.tickets):.2f}",
        f"{per_month(len(score.false_tickets), score.days):.1f}",
        f"{per_month(score.budgets, score.days):.1f}",
        f"{recall(first):.2f}",
        f"{per_month(score.first_false, score.first_days):.1f}",
    ]


HEADINGS = (
    "recall",
    "min to detect\nmedian / p95",
    "ideal observer\nmedian / p95",
    "false pages\nin 30 d",
    "reset\np95 min",
    "most notif.\nof a flapping",
    "tickets'\nrecall",
    "false tickets\nin 30 d",
    "budget's\nin 30 d",
    "first 3 d:\nrecall",
    "false pages\nin 30 d",
)


def show(scores: Mapping[tuple[str, float], Score], title: str) -> None:
    """Prints the table."""
    table = Table(title=title, title_justify="left")
    table.add_column("rules")
    table.add_column("ends/h", justify="right")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for (family, volume), score in scores.items():
        table.add_row(family, f"{volume:,.0f}", *row(score))
    Console(width=180).print(table)
