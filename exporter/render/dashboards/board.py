"""A whole dashboard: variables, links, annotations, and panels on Grafana's grid of 24 columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.builds.events import TEST
from exporter.render.alerts import SEVERITY
from exporter.render.dashboards.panels import SOURCE
from exporter.render.dashboards.queries import (
    ALERTS,
    FIRING,
    OF_THE_PACK,
    SYSTEMS,
    of,
)
from exporter.render.dashboards.variables import datasource
from exporter.render.pack import Pack
from exporter.render.rule import COMMAND, MARK

COLUMNS: Final = 24
TAG: Final = "session-ends"


@dataclass(frozen=True, slots=True)
class Strip:
    """Panels side by side, each with its width in columns, all of one height in rows of 38 pixels."""

    height: int
    panels: Sequence[tuple[int, models.Panel]]


@dataclass(frozen=True, slots=True)
class Section:
    """Strips under a heading; without a title there is none. A folded one asks nothing until it is opened."""

    title: str
    strips: Sequence[Strip]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What a dashboard is: `range` is how far back it looks at first, `refresh` how often it asks again."""

    uid: str
    title: str
    answers: str
    range: str
    refresh: str


def board(
    head: Head,
    sections: Sequence[Section],
    variables: Sequence[models.VariableModel],
    links: Sequence[models.DashboardLink],
    alerts: Sequence[str],
    *,
    builds: bool = False,
) -> models.Dashboard:
    """The dashboard; ids and positions follow from the order of the panels. `alerts` are the matchers of
    those whose times it shades, `builds` marks when the chosen systems' builds came."""
    return models.Dashboard(
        uid=head.uid,
        title=head.title,
        description=f"{head.answers} {MARK}: written by `{COMMAND}`.",
        tags=[TAG],
        timezone="browser",
        editable=True,
        graph_tooltip=models.DashboardCursorSync.CROSSHAIR,
        time=models.DashboardDashboardTime(from_val=head.range, to="now"),
        refresh=head.refresh,
        panels=_laid(sections),
        templating=models.DashboardDashboardTemplating(list_val=[datasource(), *variables]),
        annotations=models.AnnotationContainer(
            list_val=[_shaded(alerts), *([_builds()] if builds else [])]
        ),
        links=[_others(), *links],
    )


def _laid(sections: Sequence[Section]) -> list[models.Panel | models.RowPanel]:
    laid: list[models.Panel | models.RowPanel] = []
    number, y = 0, 0
    for section in sections:
        inside: list[models.Panel] = []
        row = None
        if section.title:
            number += 1
            row = models.RowPanel(
                collapsed=section.folded,
                title=section.title,
                grid_pos=models.GridPos(h=1, w=COLUMNS, x=0, y=y),
                id_val=number,
                panels=inside if section.folded else [],
            )
            laid.append(row)
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
            laid += inside
    return laid


def runbooks(pack: Pack) -> models.DashboardLink:
    """To the table of all codes, on the exporter."""
    return models.DashboardLink(
        title="Runbooks",
        type_val=models.DashboardLinkType.LINK,
        icon="doc",
        tooltip="Every code: what it means, causes, fix",
        url=f"{pack.runbook_base_url}{names.CODES_PATH}",
        target_blank=True,
    )


def _others() -> models.DashboardLink:
    """To the dashboards with the tag, with the same time range and variables."""
    return models.DashboardLink(
        title="Session ends",
        type_val=models.DashboardLinkType.DASHBOARDS,
        icon="external link",
        tags=[TAG],
        as_dropdown=False,
        include_vars=True,
        keep_time=True,
    )


class _Annotation(models.AnnotationQuery):
    """With what Grafana's Prometheus data source reads besides, and the SDK's type does not have."""

    more: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self.more}


def _shaded(matchers: Sequence[str]) -> models.AnnotationQuery:
    """Shades the times in which the alerts fired."""
    annotation = _Annotation(
        name="Alerts",
        datasource=SOURCE,
        enable=True,
        icon_color="red",
        expr=of(ALERTS, FIRING, OF_THE_PACK, *matchers),
    )
    annotation.more = {
        "titleFormat": "{{alertname}}",
        "textFormat": "{{system}} {{code}}",
        "tagKeys": ",".join((SEVERITY, names.SYSTEM, names.CODE)),
    }
    return annotation


def _builds() -> models.AnnotationQuery:
    """Marks each build event at the time it happened, which is the series' value, in milliseconds.

    Those before the dashboard's range are left out: an event of last week is a value of today.
    """
    no_test = f'{names.EVENT}!="{TEST}"'
    last = f"max by ({names.SYSTEM}, {names.EVENT}) ({of(names.PLATFORM_LAST_BUILD, SYSTEMS, no_test)})"
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
