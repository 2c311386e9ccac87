"""Queries as a dashboard sends them after a user has chosen a system and a code, and their series."""

import time
from dataclasses import dataclass
from typing import Any

from tests.dashboards.shipped import PanelQuery, interpolated
from tests.dashboards.world import HOURS, World

Series = dict[str, Any]
STEP = 30


@dataclass(frozen=True)
class Choice:
    """Chosen values of a dashboard's variables."""

    system: str
    code: str

    def of(self, text: str) -> str:
        """The text as Grafana sends it."""
        every = {"instance": ".+", "label": "region", "__rate_interval": "1m"}
        return interpolated(text, {**every, "system": self.system, "code": self.code})


STREAMPIXEL = Choice("streampixel", "4001")
SOFTDRIVE = Choice("softdrive", "01")
ALL = Choice(".+", "1001")
CHOICES = (STREAMPIXEL, SOFTDRIVE, Choice("(softdrive|streampixel)", "1001"), ALL)


def ask(world: World, query: PanelQuery, choice: Choice) -> list[Series]:
    """Series of an instant or of the whole past."""
    expr = choice.of(query.expr)
    now = time.time()
    if query.instant:
        series = world.prometheus.get("query", query=expr, time=now)["result"]
        return [{**row, "values": [row["value"]]} for row in series]
    # Like Grafana's steps, at multiples of themselves: series of two queries can be compared. The last
    # is the next multiple: the previous multiple may be older than the exporter.
    end = now // STEP * STEP + STEP
    window = {"start": end - HOURS * 3600, "end": end, "step": STEP}
    return world.prometheus.get("query_range", query=expr, **window)["result"]


def last(series: Series) -> float:
    return float(series["values"][-1][1])


def by(label: str, rows: list[Series]) -> dict[str, float]:
    return {row["metric"][label]: last(row) for row in rows}
