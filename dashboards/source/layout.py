"""A whole dashboard: variables, links, annotations, and panels on Grafana's grid of 24 columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import variables as known_variables
from dashboards.source.links import TAG, dashboard_links
from dashboards.source.panels import SOURCE
from dashboards.source.queries import ALERTS, FIRING, SHIPPED, SYSTEMS, selector
from exporter import names

COLUMNS: Final = 24
MARK: Final = "DO NOT EDIT: written by `make dashboards`."


@dataclass(frozen=True, slots=True)
class Strip:
    """Panels side by side, each with its width in columns; `height` is in units of 38 pixels."""

    height: int
    panels: Sequence[tuple[int, models.Panel]]


@dataclass(frozen=True, slots=True)
class Section:
    """Strips under a heading, or without a heading. A folded section queries nothing until it is opened."""

    title: str
    strips: Sequence[Strip]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """Properties of a dashboard; `range` is the initial time range, `refresh` the time between queries."""

    uid: str
    title: str
    description: str
    range: str
    refresh: str


def assembled(
    head: Head,
    sections: Sequence[Section],
    variables: Sequence[models.VariableModel],
    alerts: Sequence[str],
    *,
    builds: bool = False,
) -> models.Dashboard:
    """The dashboard. Ids and positions follow from the order of the panels.

    `alerts` are the matchers of the alerts whose times are shaded; `builds` marks build events.
    """
    return models.Dashboard(
        uid=head.uid,
        title=head.title,
        description=f"{head.description} {MARK}",
        tags=[TAG],
        timezone="browser",
        editable=True,
        graph_tooltip=models.DashboardCursorSync.CROSSHAIR,
        time=models.DashboardDashboardTime(from_val=head.range, to="now"),
        refresh=head.refresh,
        panels=_placed(sections),
        templating=models.DashboardDashboardTemplating(
            list_val=[known_variables.datasource(), *variables, known_variables.runbooks()]
        ),
        annotations=models.AnnotationContainer(
            list_val=[_alerts(alerts), *([_builds()] if builds else [])]
        ),
        links=dashboard_links(),
    )


def _placed(sections: Sequence[Section]) -> list[models.Panel | models.RowPanel]:
    placed: list[models.Panel | models.RowPanel] = []
    number, y = 0, 0
    for section in sections:
        inside: list[models.Panel] = []
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
            for width, panel in strip.panels:
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


def _alerts(matchers: Sequence[str]) -> models.AnnotationQuery:
    """Shades the times in which the alerts fired."""
    annotation = _Annotation(
        name="Alerts",
        datasource=SOURCE,
        enable=True,
        icon_color="red",
        expr=selector(ALERTS, FIRING, SHIPPED, *matchers),
    )
    annotation.more = {
        "titleFormat": "{{alertname}}",
        "textFormat": "{{system}} {{code}} {{name}}",
        "tagKeys": ",".join((names.SEVERITY, names.SYSTEM, names.CODE)),
    }
    return annotation


def _builds() -> models.AnnotationQuery:
    """Marks each build event at its time, which is the series' value, in milliseconds.

    Earlier events than the dashboard's range are left out: last week's event is still a value today.
    """
    no_test = f'{names.EVENT}!="webhook.test"'
    last = (
        f"max by ({names.SYSTEM}, {names.EVENT}) "
        f"({selector(names.PLATFORM_LAST_BUILD, SYSTEMS, no_test)})"
    )
    annotation = _Annotation(
        name="Builds",
        datasource=SOURCE,
        enable=True,
        icon_color="blue",
        expr=f"1000 * {last} > $__from",
    )
    annotation.more = {
        "titleFormat": "{{event}}",
        "textFormat": "{{system}}",
        "tagKeys": ",".join((names.SYSTEM, names.EVENT)),
        "useValueForTime": True,
    }
    return annotation
