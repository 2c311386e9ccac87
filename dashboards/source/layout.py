"""A whole dashboard: variables, links, annotations, and panels on Grafana's grid of 24 columns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dashboards.source.panels import SOURCE, Panel
from dashboards.source.queries import ALERTS, FIRING, SHIPPED, SYSTEMS, selector
from dashboards.source.variables import RUNBOOKS, Variable, datasource, runbooks
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
        "tags": [TAG],
        "includeVars": True,
        "keepTime": True,
    },
    {
        "title": "Runbooks",
        "type": "link",
        "icon": "doc",
        "tooltip": "All codes with meaning, causes and fix",
        "url": f"{RUNBOOKS}{names.CODES_PATH}",
        "targetBlank": True,
    },
]


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
    *,
    alerts: Sequence[str],
    range: str,
    refresh: str = "30s",
    builds: bool = False,
) -> Dashboard:
    """A dashboard; `sections` has the strips under each heading, or under none ("").

    `alerts` are matchers of the alerts that shade graphs; `builds` marks build events in graphs.
    Ids and positions of panels follow from their order.
    """
    placed = _placed(sections)
    return {
        # First, because it says that the file is generated.
        "description": f"{description} {MARK}",
        "uid": uid,
        "title": title,
        "__inputs": [],
        "__requires": _requirements(placed),
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
        "templating": {"list": [datasource(), *variables, runbooks()]},
        "annotations": {"list": [_alerts(alerts), *([_builds()] if builds else [])]},
        "links": LINKS,
    }


def _requirements(placed: Sequence[Panel]) -> list[dict[str, str]]:
    """The requirements that an import from grafana.com shows."""
    kinds = sorted({panel["type"] for panel in placed} - {"row"})
    return [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0"},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
    ]


def _placed(sections: Mapping[str, Sequence[Strip]]) -> list[Panel]:
    placed: list[Panel] = []
    y = 0

    def place(panel: Panel, x: int, width: int, height: int) -> None:
        position = {"h": height, "w": width, "x": x, "y": y}
        placed.append(panel | {"id": len(placed) + 1, "gridPos": position})

    for heading, strips in sections.items():
        if heading:
            row = {"type": "row", "title": heading, "collapsed": False, "panels": []}
            place(row, 0, COLUMNS, 1)
            y += 1
        for strip in strips:
            widths = strip.widths or [COLUMNS // len(strip.panels)] * len(strip.panels)
            for index, (width, panel) in enumerate(zip(widths, strip.panels, strict=True)):
                place(panel, sum(widths[:index]), width, strip.height)
            y += strip.height
    return placed


def _alerts(matchers: Sequence[str]) -> dict[str, object]:
    """Shades the times in which the alerts fired."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": selector(ALERTS, FIRING, SHIPPED, *matchers),
        "titleFormat": "{{alertname}}",
        "textFormat": "{{system}} {{code}} {{name}}",
        "tagKeys": f"{names.SEVERITY},{names.SYSTEM},{names.CODE}",
    }


def _builds() -> dict[str, object]:
    """Marks each build event at its time, which is the value of the series, in milliseconds."""
    # The comparison below leaves out an event before the time range: its series remains.
    builds = selector(names.PLATFORM_LAST_BUILD, SYSTEMS, f'{names.EVENT}!="webhook.test"')
    return {
        "name": "Builds",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": f"1000 * max by ({names.SYSTEM}, {names.EVENT}) ({builds}) > $__from",
        "titleFormat": "{{event}}",
        "textFormat": "{{system}}",
        "tagKeys": f"{names.SYSTEM},{names.EVENT}",
        "useValueForTime": True,
    }
