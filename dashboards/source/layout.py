"""A whole dashboard: variables, links, annotations, and panels on Grafana's grid of 24 columns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dashboards.source.panels import SOURCE, Panel
from dashboards.source.queries import SHIPPED, SYSTEMS, firing, selector
from dashboards.source.variables import DATA_SOURCE, RUNBOOKS, RUNBOOKS_URL, Variable
from exporter import names

Dashboard = dict[str, Any]
COLUMNS: Final = 24
TAG: Final = "session-ends"
MARK: Final = "DO NOT EDIT: written by `make dashboards`."
LINKS: Final = [
    {
        "title": "Session ends",
        "type": "dashboards",
        "icon": "external link",
        "tooltip": "",
        "tags": [TAG],
        "includeVars": True,
        "keepTime": True,
    },
    {
        "title": "Runbooks",
        "type": "link",
        "icon": "doc",
        "tooltip": "All codes with meaning, causes and fix",
        "tags": [],
        "url": f"{RUNBOOKS}{names.CODES_PATH}",
        "targetBlank": True,
    },
]
# The comparison leaves out an event before the time range: its series remains.
_LAST_BUILD: Final = selector(names.PLATFORM_LAST_BUILD, SYSTEMS, f'{names.EVENT}!="webhook.test"')
BUILDS: Final = {
    "name": "Builds",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": "blue",
    "expr": f"1000 * max by ({names.SYSTEM}, {names.EVENT}) ({_LAST_BUILD}) > $__from",
    "titleFormat": "{{event}}",
    "textFormat": "{{system}}",
    "tagKeys": f"{names.SYSTEM},{names.EVENT}",
    "useValueForTime": True,
}
"""Marks each build event at its time, which is the value of the series, in milliseconds."""


class Strip(NamedTuple):
    """Panels side by side, of equal width or of `widths` columns; `height` is in units of 38 pixels."""

    height: int
    panels: Sequence[Panel]
    widths: Sequence[int] = ()


def build(
    uid: str,
    title: str,
    description: str,
    sections: Mapping[str, Sequence[Strip]],
    variables: Sequence[Variable],
    *more: Mapping[str, object],
    alerts: Sequence[str],
    range: str,
    refresh: str = "30s",
) -> Dashboard:
    """A dashboard; `sections` has the strips under each heading, or under none ("").

    `alerts` are matchers of the alerts that shade graphs; `more` are other annotations.
    Ids and positions of panels follow from their order.
    """
    placed = _placed(sections)
    kinds = sorted({panel["type"] for panel in placed} - {"row"})
    shades = {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": firing(SHIPPED, *alerts),
        "titleFormat": "{{alertname}}",
        "textFormat": "{{system}} {{code}} {{name}}",
        "tagKeys": f"{names.SEVERITY},{names.SYSTEM},{names.CODE}",
    }
    return {
        # First, because it says that the file is generated.
        "description": f"{description} {MARK}",
        "uid": uid,
        "title": title,
        "__inputs": [],
        # What an import from grafana.com shows.
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
        ],
        "tags": [TAG],
        "timezone": "browser",
        # Provisioned: Grafana would not save an edit.
        "editable": False,
        # Of Grafana 10.4, the oldest supported release: later releases migrate it when they load it.
        "schemaVersion": 39,
        # A crosshair in all graphs.
        "graphTooltip": 1,
        "time": {"from": range, "to": "now"},
        "refresh": refresh,
        "panels": placed,
        "templating": {"list": [DATA_SOURCE, *variables, RUNBOOKS_URL]},
        "annotations": {"list": [shades, *more]},
        "links": LINKS,
    }


def _placed(sections: Mapping[str, Sequence[Strip]]) -> list[Panel]:
    placed: list[Panel] = []
    y = 0
    for heading, strips in sections.items():
        row = {"type": "row", "title": heading, "collapsed": False, "panels": []}
        for strip in (*([Strip(1, [row])] if heading else []), *strips):
            x = 0
            widths = strip.widths or [COLUMNS // len(strip.panels)] * len(strip.panels)
            for width, panel in zip(widths, strip.panels, strict=True):
                position = {"h": strip.height, "w": width, "x": x, "y": y}
                placed.append(panel | {"id": len(placed) + 1, "gridPos": position})
                x += width
            y += strip.height
    return placed
