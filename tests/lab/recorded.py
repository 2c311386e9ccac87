"""The figures of the short lab, which a change of the rules must not make worse.

Seeds, volumes and days are fixed, so all runs have equal figures. `python -m tests.lab --record` replaces the
figures after a change that is better in total and worse here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

from tests.lab.cases import BUDGET_KEPT, BURSTIER, CASES, STANDARD_CASE
from tests.lab.runs import cases
from tests.lab.score import Score, minutes

RECORDED: Final = Path(__file__).with_name("recorded.json")
VOLUMES: Final = (100, 1_000, 10_000)
NAMES: Final = (
    *(
        name
        for name in CASES
        # An outage of a region is like any outage of that size.
        if name not in (STANDARD_CASE, BURSTIER, BUDGET_KEPT, "region 5%", "region 10%")
    ),
    "flights H1",
)
MORE_IS_BETTER: Final = {
    "found": True,
    "tickets_found": True,
    "median_minutes": False,
    "notifications": False,
    "false_pages": False,
    "false_tickets": False,
}
_NEVER: Final = 1e6
"""The minutes to detect that are recorded when nothing is detected."""
Figures = Mapping[str, Mapping[str, float]]
"""By volume or case, and name."""


def short(rules: Path | None = None) -> Figures:
    """Both systems' standard four weeks, and the cases at 1,000 ends/h, with one unseen seed."""
    standard = cases((STANDARD_CASE,), (1,), rules=rules, volumes=VOLUMES)
    others = cases(NAMES, (1,), rules=rules, volumes=(1_000,))
    return {
        **{f"{volume} ends/h": _figures(score) for (*_, volume), score in standard.items()},
        **{name: _figures(score) for (name, *_), score in others.items()},
    }


def _figures(score: Score) -> dict[str, float]:
    took = minutes(score.pages)
    return {
        "pages": len(score.pages),
        "found": len(took),
        "median_minutes": round(median(took), 2) if took else _NEVER,
        "notifications": sum(page.notifications for page in score.pages if page.after is not None),
        "false_pages": len(score.false_pages),
        "tickets": len(score.tickets),
        "tickets_found": len(minutes(score.tickets)),
        "false_tickets": len(score.false_tickets),
    }


def record(now: Figures) -> None:
    RECORDED.write_text(json.dumps(now, indent=1) + "\n")


def worse(now: Figures) -> list[str]:
    """A line per figure that is worse than recorded, and per number of incidents that differs."""
    recorded: Figures = json.loads(RECORDED.read_text())
    lines = []
    for case, figures in now.items():
        for name, is_now in figures.items():
            was, more_is_better = recorded[case][name], MORE_IS_BETTER.get(name)
            if is_now != was and (more_is_better is None or (is_now < was) == more_is_better):
                lines.append(f"{case}: {name} {was:g} recorded, {is_now:g} now")
    return lines
