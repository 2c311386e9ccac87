"""What a dashboard asks when somebody has chosen a system and a code: queries, and what they gave."""

import time
from dataclasses import dataclass
from typing import Any

from tests.dashboards.shipped import Asked, interpolated
from tests.dashboards.world import HOURS, World

Series = dict[str, Any]
STEP = 30


@dataclass(frozen=True)
class Choice:
    """What somebody has chosen at the top of a dashboard."""

    system: str
    code: str

    def of(self, text: str) -> str:
        """The text as Grafana sends it."""
        every = {"instance": ".+", "label": "region", "__rate_interval": "1m"}
        return interpolated(text, {**every, "system": self.system, "code": self.code})


CHOICES = {
    "streampixel": Choice("streampixel", "4001"),
    "softdrive": Choice("softdrive", "01"),
    "both": Choice("(softdrive|streampixel)", "1001"),
    "All": Choice(".+", "1001"),
}

EMPTY = {
    "no ledger was ever damaged": ("Damaged ledger", ""),
    "both systems miss their objective, over the last hour": ("Success ratio (1h)", "<= on"),
    "and over the whole period": ("Success ratio (30d)", ">= on"),
    "Streampixel has no code in that phase": ("Failures by phase", 'phase="pre_session"'),
    "1001 is as frequent as expected on both systems": ("Alert list", 'code="1001"'),
    "a code has one of the three outcomes": ("Ends against threshold", 'outcome="'),
    "Softdrive has no live stats": ("Users streaming", '=~"softdrive"'),
    "nor a queue": ("Queued users", 'session_queued_users{system=~"softdrive"'),
}
"""Queries that may give nothing, by the reason: a part of the panel's title, and one of the query."""


def ask(world: World, query: Asked, choice: Choice) -> list[Series]:
    """Series of an instant or of the whole past, with their values as numbers."""
    expr = choice.of(query.expr)
    now = time.time()
    if query.now:
        found = world.prometheus.get("query", query=expr, time=now)["result"]
        return [{**one, "values": [one["value"]]} for one in found]
    # Steps lie at multiples of themselves, as Grafana has them, so that two queries' can be compared.
    # The last is the next multiple: the one before may be older than the exporter.
    end = now // STEP * STEP + STEP
    window = {"start": end - HOURS * 3600, "end": end, "step": STEP}
    return world.prometheus.get("query_range", query=expr, **window)["result"]


def last(series: Series) -> float:
    return float(series["values"][-1][1])


def by(label: str, found: list[Series]) -> dict[str, float]:
    return {one["metric"][label]: last(one) for one in found}


def excused(query: Asked, choice: Choice) -> bool:
    expr = choice.of(query.expr)
    return any(title in query.panel and part in expr for title, part in EMPTY.values())
