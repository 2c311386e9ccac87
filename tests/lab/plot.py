"""The lab's plot: detection and false pages against volume, a line per family."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from tests.lab.cases import STANDARD_CASE
from tests.lab.runs import OURS
from tests.lab.score import Score, minutes, per_month, recall

NEVER = 0.03
"""The position of no false page: a logarithmic axis has no 0."""


def draw(all_scores: Mapping[tuple[str, str, float], Score], path: Path) -> None:
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
                [median(minutes(score.pages) or [float("nan")]) for score in own],
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
