"""The figures of the short lab, which a change of the rules must not make worse.

Seeds, volumes and days are fixed, so all runs have equal figures. A change that is better in total and worse
here may record new figures: `python -m tests.lab --record`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.lab.runs import OURS, campaign
from tests.lab.score import Score
from tests.lab.table import minutes

RECORDED: Final = Path(__file__).with_name("recorded.json")
VOLUMES: Final = (100, 1_000, 10_000)
SEEDS: Final = (1,)


def short(rules: Path | None = None) -> dict[str, dict[str, float]]:
    """Both systems' standard four weeks with one unseen seed, by volume."""
    scores = campaign(VOLUMES, SEEDS, (OURS,), rules)
    return {str(volume): figures(score) for (_, volume), score in scores.items()}


def figures(score: Score) -> dict[str, float]:
    """Counts, and the median minutes to detect."""
    took = minutes(score.pages)
    return {
        "pages": len(score.pages),
        "found": len(took),
        "median_minutes": round(median(took), 2) if took else -1,
        "false_pages": len(score.false_pages),
        "tickets": len(score.tickets),
        "tickets_found": len(minutes(score.tickets)),
        "false_tickets": len(score.false_tickets),
    }


def recorded() -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = json.loads(RECORDED.read_text())
    return figures


def record(now: Mapping[str, Any]) -> None:
    RECORDED.write_text(json.dumps(now, indent=1) + "\n")


def worse(now: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line per figure that is worse than recorded."""
    lines = []
    for volume, then in recorded().items():
        for name, more_is_better in (
            ("found", True),
            ("tickets_found", True),
            ("median_minutes", False),
            ("false_pages", False),
            ("false_tickets", False),
        ):
            was, is_now = then[name], now[volume][name]
            if is_now < was if more_is_better else is_now > was:
                lines.append(f"{volume} ends/h: {name} {was:g} recorded, {is_now:g} now")
    return lines
