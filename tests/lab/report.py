"""The lab's reports: a table with a line per family and volume, and a plot with a line per family."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from statistics import fmean, median

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.lab.cases import STANDARD_CASE
from tests.lab.families import STOPPED
from tests.lab.runs import OURS
from tests.lab.score import Score, minutes, per_month, quantile, recall

Scores = Mapping[tuple[str, str, float], Score]
"""By case, family and volume."""
NEVER = 0.03
"""The position of no false page: a logarithmic axis has no 0."""


def cells(score: Score) -> dict[str, str]:
    """A score's cells by their headings."""
    pages = score.pages
    took = minutes(pages)
    best = [page.best / 60 for page in pages if not isnan(page.best)]
    resets = [page.reset / 60 for page in pages if page.after is not None]
    sent = [page.notifications for page in pages if page.after is not None]
    stopped = sum(alarm.signal == STOPPED for alarm in score.false_pages)

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
        "tickets'\nrecall": f"{recall(score.tickets):.2f}" if score.tickets else "–",
        "false tick.\nin 30 d": f"{per_month(len(score.false_tickets), score.days):.1f}",
        "budget's\nin 30 d": f"{per_month(score.budgets, score.days):.1f}",
    }


def show(scores: Scores, title: str) -> None:
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


def draw(all_scores: Scores, path: Path) -> None:
    """An SVG of three panels about the standard months, the same bytes for the same scores."""
    scores = {
        (family, volume): score
        for (name, family, volume), score in all_scores.items()
        if name == STANDARD_CASE
    }
    families = list(dict.fromkeys(family for family, _ in scores))
    volumes = sorted({volume for _, volume in scores})
    with mpl.rc_context({"svg.hashsalt": "alert-lab", "font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        parts = figure.subplots(1, 3)
        for family in families:
            own = [scores[family, volume] for volume in volumes]
            style = {
                "marker": "o",
                "label": family,
                "linewidth": 2.4 if family == OURS else 1.1,
                "color": "#c2185b" if family == OURS else None,
                "zorder": 3 if family == OURS else 2,
            }
            values = (
                [100 * recall(score.pages) for score in own],
                [median(minutes(score.pages) or [nan]) for score in own],
                [max(per_month(len(score.false_pages), score.days), NEVER) for score in own],
            )
            for part, value in zip(parts, values, strict=True):
                part.plot(volumes, value, **style)
        best = [median(page.best / 60 for page in scores[OURS, v].pages) for v in volumes]
        parts[1].plot(volumes, best, "k:", label="an observer who knows the onset")
        for part, title, unit in zip(
            parts,
            ("Incidents found", "Median time to the page", "False pages in 30 days"),
            ("%", "minutes", "pages (lowest line: none)"),
            strict=True,
        ):
            part.set_xscale("log")
            part.set_title(title)
            part.set_ylabel(unit)
            part.set_xlabel("session ends an hour")
            part.set_xticks(volumes, [EngFormatter(sep=" ")(volume) for volume in volumes])
            part.minorticks_off()
            part.grid(alpha=0.3)
        parts[0].set_ylim(0, 103)
        parts[1].set_yscale("log")
        parts[1].set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        parts[2].set_yscale("log")
        parts[2].set_yticks([NEVER, 0.1, 1, 10, 100], ["none", "0.1", "1", "10", "100"])
        handles, labels = parts[1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
