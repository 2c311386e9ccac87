"""A whole dashboard: variables, links, annotations, and panels on Grafana's grid of 24 columns."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import variables as known_variables
from dashboards.source.links import TAG, dashboard_links
from dashboards.source.panels import SOURCE, Panel
from dashboards.source.queries import ALERTS, FIRING, SHIPPED, SYSTEMS, selector
from exporter import names

COLUMNS: Final = 24
MARK: Final = "DO NOT EDIT: written by `make dashboards`."


class Strip(NamedTuple):
    """Panels side by side, of equal width unless `widths` gives their columns; `height` is in units of
    38 pixels."""

    height: int
    panels: Sequence[Panel]
    widths: Sequence[int] = ()


class Section(NamedTuple):
    """Strips under a heading, or without a heading. A folded section queries nothing until it is opened."""

    title: str
    strips: Sequence[Strip]
    folded: bool = False


def build(
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
    variables: Sequence[models.VariableModel],
    *,
    alerts: Sequence[str],
    range: str,
    refresh: str = "30s",
    builds: bool = False,
) -> models.Dashboard:
    """The dashboard. Ids and positions follow from the order of the panels.

    `alerts` are the matchers of the alerts whose times are shaded; `builds` marks build events; `range` is
    the initial time range, `refresh` the time between queries.
    """
    return models.Dashboard(
        uid=uid,
        title=title,
        description=f"{description} {MARK}",
        tags=[TAG],
        timezone="browser",
        editable=True,
        graph_tooltip=models.DashboardCursorSync.CROSSHAIR,
        time=models.DashboardDashboardTime(from_val=range, to="now"),
        refresh=refresh,
        panels=_placed(sections),
        templating=models.DashboardDashboardTemplating(
            list_val=[known_variables.datasource(), *variables, known_variables.runbooks()]
        ),
        annotations=models.AnnotationContainer(
            list_val=[_alerts(alerts), *([_builds()] if builds else [])]
        ),
        links=dashboard_links(),
    )


def _placed(sections: Sequence[Section]) -> list[Panel | models.RowPanel]:
    placed: list[Panel | models.RowPanel] = []
    number, y = 0, 0
    for section in sections:
        inside: list[Panel] = []
        if section.title:
            number += 1
            row = models.RowPanel(
                collapsed=section.folded,
                title=section.title,
                grid_pos=models.GridPos(h=1, w=COLUMNS, x=0, y=y),
                id_val=number,
                panels=inside if section.folded else [],
            )
            placed.append(row)
            y += 1
        for strip in section.strips:
            x = 0
            widths = strip.widths or [COLUMNS // len(strip.panels)] * len(strip.panels)
            for width, panel in zip(widths, strip.panels, strict=True):
                number += 1
                panel.id_val = number
                panel.grid_pos = models.GridPos(h=strip.height, w=width, x=x, y=y)
                x += width
                inside.append(panel)
            y += strip.height
        if not section.folded:
            placed += inside
    return placed


class _Annotation(models.AnnotationQuery):
    """With the keys of Grafana's Prometheus data source that the SDK's type does not have."""

    more: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self.more}


def _annotation(name: str, color: str, expr: str, **more: object) -> models.AnnotationQuery:
    annotation = _Annotation(name=name, datasource=SOURCE, enable=True, icon_color=color, expr=expr)
    annotation.more = more
    return annotation


def _alerts(matchers: Sequence[str]) -> models.AnnotationQuery:
    """Shades the times in which the alerts fired."""
    return _annotation(
        "Alerts",
        "red",
        selector(ALERTS, FIRING, SHIPPED, *matchers),
        titleFormat="{{alertname}}",
        textFormat="{{system}} {{code}} {{name}}",
        tagKeys=f"{names.SEVERITY},{names.SYSTEM},{names.CODE}",
    )


def _builds() -> models.AnnotationQuery:
    """Marks each build event at its time, which is the series' value, in milliseconds.

    Earlier events than the dashboard's range are left out: last week's event is still a value today.
    """
    builds = selector(names.PLATFORM_LAST_BUILD, SYSTEMS, f'{names.EVENT}!="webhook.test"')
    return _annotation(
        "Builds",
        "blue",
        f"1000 * max by ({names.SYSTEM}, {names.EVENT}) ({builds}) > $__from",
        titleFormat="{{event}}",
        textFormat="{{system}}",
        tagKeys=f"{names.SYSTEM},{names.EVENT}",
        useValueForTime=True,
    )
