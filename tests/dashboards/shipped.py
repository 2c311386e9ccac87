"""The committed dashboards: panels, queries, variables."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser

from tests.e2e.exporter_process import ROOT

Json = dict[str, Any]
FOLDER = ROOT / "dashboards"
UIDS = ("session-ends", "session-end-code", "session-ends-slo", "session-end-exporter")


class PanelQuery(NamedTuple):
    """A query of a panel, in which Grafana's variables are not yet replaced."""

    uid: str
    panel: str
    ref: str
    expr: str
    target: Json


def panels(dashboard: Json) -> Iterator[Json]:
    """All panels with data."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


DASHBOARDS: dict[str, Json] = {
    uid: json.loads((FOLDER / f"{uid}.json").read_text()) for uid in UIDS
}
PANELS = [panel for dashboard in DASHBOARDS.values() for panel in panels(dashboard)]
QUERIES = [
    PanelQuery(uid, panel["title"], target["refId"], target["expr"], target)
    for uid, dashboard in DASHBOARDS.items()
    for panel in panels(dashboard)
    for target in panel["targets"]
]


def query_of(title: str, ref: str = "A", uid: str = "") -> PanelQuery:
    """The query of the only panel whose title begins with `title`, in all dashboards or in a given one."""
    (match,) = [
        query
        for query in QUERIES
        if query.panel.startswith(title) and query.ref == ref and uid in ("", query.uid)
    ]
    return match


def find(uid: str, title: str) -> Json:
    """The only panel whose title begins with `title`."""
    (match,) = [panel for panel in panels(DASHBOARDS[uid]) if panel["title"].startswith(title)]
    return match


def variables(uid: str) -> dict[str, Json]:
    return {variable["name"]: variable for variable in DASHBOARDS[uid]["templating"]["list"]}


def interpolated(text: str, **values: str) -> str:
    """Replaces $name and ${name} as Grafana does, longest names first; unknown variables stay."""
    for name in sorted(values, key=len, reverse=True):
        text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _, name=name: values[name], text)
    return text


def parsable(expr: str, label: str = "region") -> str:
    """The expression with a duration and a label in place of variables."""
    return interpolated(expr, __rate_interval="5m", label=label)


def metrics(expr: str) -> set[str]:
    """The metrics that an expression reads. Raises `ValueError` for text that is not PromQL."""
    names, nodes = set(), [promql_parser.parse(expr)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name or "")
        nodes += getattr(node, "args", ())
        parts = ("lhs", "rhs", "expr", "param", "vector_selector")
        nodes += [child for part in parts if (child := getattr(node, part, None)) is not None]
    return names
