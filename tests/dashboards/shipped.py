"""The committed dashboards, and what is in them: panels, queries, variables."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.exporter_process import ROOT

Json = dict[str, Any]
FOLDER = ROOT / "dashboards"
UIDS = ("session-ends", "session-end-code", "session-ends-slo", "session-end-exporter")


def dashboards() -> dict[str, Json]:
    """Every file of the folder by its uid."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {one["uid"]: one for one in found}


def panels(dashboard: Json) -> Iterator[Json]:
    """All that show data, those of folded rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


@dataclass(frozen=True)
class Asked:
    """One query of a panel, with Grafana's variables still in it."""

    uid: str
    panel: str
    ref: str
    expr: str
    target: Json

    @property
    def now(self) -> bool:
        return bool(self.target["instant"])


def asked() -> list[Asked]:
    """Every query of every panel of every dashboard."""
    return [
        Asked(uid, panel["title"], target["refId"], target["expr"], target)
        for uid, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def of(title: str, ref: str, uid: str = "") -> Asked:
    """The query of the panel whose title begins so, of any dashboard or one of them."""
    (found,) = [
        query
        for query in asked()
        if query.panel.startswith(title) and query.ref == ref and uid in ("", query.uid)
    ]
    return found


def mappings(panel: Json) -> dict[str, Json]:
    """What the values of a column are shown as, by the column's name."""
    return {
        override["matcher"]["options"]: mapping["options"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "mappings"
        for mapping in one["value"]
    }


def variables(dashboard: Json) -> dict[str, Json]:
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """As Grafana writes a query: $name and ${name}, longest names first; what is not given stays."""
    for name in sorted(values, key=len, reverse=True):
        text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _, name=name: values[name], text)
    return text


def find(uid: str, title: str) -> Json:
    """The one panel whose title begins so."""
    (found,) = [one for one in panels(dashboards()[uid]) if one["title"].startswith(title)]
    return found
