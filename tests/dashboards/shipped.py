"""The committed dashboards: panels, queries, variables."""

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
    documents = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {document["uid"]: document for document in documents}


def panels(dashboard: Json) -> Iterator[Json]:
    """All panels with data, including the panels of folded rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


@dataclass(frozen=True)
class PanelQuery:
    """A query of a panel, with Grafana's variables still in it."""

    uid: str
    panel: str
    target: Json

    @property
    def ref(self) -> str:
        return self.target["refId"]

    @property
    def expr(self) -> str:
        return self.target["expr"]

    @property
    def instant(self) -> bool:
        return self.target["instant"]


def panel_queries() -> list[PanelQuery]:
    """Every query of every panel of every dashboard."""
    return [
        PanelQuery(uid, panel["title"], target)
        for uid, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def query_of(title: str, ref: str, uid: str = "") -> PanelQuery:
    """The query of the panel whose title begins so, of any dashboard or of a given dashboard."""
    (match,) = [
        query
        for query in panel_queries()
        if query.panel.startswith(title) and query.ref == ref and uid in ("", query.uid)
    ]
    return match


def find(uid: str, title: str) -> Json:
    """The only panel whose title begins so."""
    (match,) = [panel for panel in panels(dashboards()[uid]) if panel["title"].startswith(title)]
    return match


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """As Grafana writes a query: $name and ${name}, longest names first; unknown variables stay."""
    for name in sorted(values, key=len, reverse=True):
        text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _, name=name: values[name], text)
    return text
