"""Panels by kind: graph, number, bars, table, state timeline, each with a description and an empty text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from dashboards.source.style import PLAIN, Override, Steps, thresholds

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
PER_INSTANCE: Final = "{{instance}}"
_REFS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class About:
    """Texts of a panel. `description` says how to read it and what is normal, `empty` why there may be no
    data. `unit` is one of Grafana's."""

    title: str
    description: str
    empty: str
    unit: str = "short"
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """`now` asks for the end of the time range only, `rows` for a table of it; `exemplars` for example
    sessions, which only counters have, not recorded series."""

    expr: str
    legend: str = ""
    now: bool = False
    rows: bool = False
    exemplars: bool = False


def graph(
    about: About,
    queries: Sequence[Query],
    overrides: Sequence[Override] = (),
    *,
    stacked: bool = False,
    line_at: float | None = None,
    low: float | None = 0,
    top: float | None = None,
) -> models.Panel:
    """Series over time. `line_at` draws a threshold; the axis is from `low` to `top`."""
    custom = timeseries.FieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=60 if stacked else 8,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        stacking=common.StackingConfig(
            mode=common.StackingMode.NORMAL if stacked else common.StackingMode.NONE, group="A"
        ),
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.OFF
            if line_at is None
            else common.GraphThresholdsStyleMode.DASHED
        ),
    )
    panel = _panel("timeseries", about, queries, overrides)
    panel.options = timeseries.Options(
        legend=_legend(["lastNotNull", "max"]),
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
        ),
    )
    defaults = _defaults(panel)
    defaults.custom = custom
    defaults.max_val = top
    defaults.min_val = low
    defaults.color = models.FieldColor(mode=models.FieldColorModeId.PALETTE_CLASSIC)
    steps: Steps = ((None, "green"),) if line_at is None else ((None, "green"), (line_at, "red"))
    defaults.thresholds = thresholds(steps)
    return panel


def number(
    about: About,
    queries: Sequence[Query],
    steps: Steps,
    overrides: Sequence[Override] = (),
    *,
    names_only: bool = False,
    sparkline: bool = False,
) -> models.Panel:
    """Large numbers; with `names_only` the series' names instead of their values."""
    panel = _panel("stat", about, queries, overrides)
    panel.options = stat.Options(
        graph_mode=common.BigValueGraphMode.AREA if sparkline else common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.VALUE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=common.BigValueTextMode.NAME if names_only else common.BigValueTextMode.AUTO,
        reduce_options=_last(),
        orientation=common.VizOrientation.AUTO,
    )
    _by_threshold(panel, steps)
    return panel


def bars(about: About, queries: Sequence[Query], color: str) -> models.Panel:
    """A bar for each series, in the queries' order."""
    panel = _panel("bargauge", about, queries, ())
    panel.options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.TEXT,
        name_placement=common.BarGaugeNamePlacement.LEFT,
        show_unfilled=False,
        sizing=common.BarGaugeSizing.AUTO,
        reduce_options=_last(),
        orientation=common.VizOrientation.HORIZONTAL,
    )
    _by_threshold(panel, ((None, color),))
    _defaults(panel).min_val = 0
    return panel


def rows(
    about: About,
    queries: Sequence[Query],
    transformations: Sequence[models.DataTransformerConfig],
    overrides: Sequence[Override],
    *,
    sort: str = "",
    header: bool = True,
) -> models.Panel:
    """A table; `sort` is a column, largest first."""
    panel = _panel("table", about, queries, overrides)
    panel.transformations = list(transformations)
    panel.options = table.Options(
        show_header=header,
        cell_height=common.TableCellHeight.SM,
        sort_by=[common.TableSortByFieldState(display_name=sort, desc=True)] if sort else [],
    )
    _by_threshold(panel, PLAIN)
    _defaults(panel).custom = common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO, cell_options=common.TableAutoCellOptions()
    )
    return panel


def states(about: About, queries: Sequence[Query], steps: Steps) -> models.Panel:
    """A bar of colors for each series, over time."""
    panel = _panel("state-timeline", about, queries, ())
    panel.options = statetimeline.Options(
        show_value=common.VisibilityMode.NEVER,
        row_height=0.85,
        merge_values=True,
        legend=_legend([]),
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE
        ),
        # More codes than any system has: no second page.
        per_page=100,
    )
    _by_threshold(panel, steps)
    _defaults(panel).custom = statetimeline.FieldConfig(line_width=0, fill_opacity=80)
    return panel


def transformation(name: str, only: str = "", **options: object) -> models.DataTransformerConfig:
    """A transformation of a table's rows or columns; `only` is the letter of the only query it changes."""
    matcher = models.MatcherConfig(id_val="byRefId", options=only) if only else None
    return models.DataTransformerConfig(id_val=name, filter_val=matcher, options=options)


def organized(columns: Mapping[str, str], *dropped: str) -> models.DataTransformerConfig:
    """Order and titles of columns, by the names that the queries give them."""
    return transformation(
        "organize",
        excludeByName=dict.fromkeys(dropped, True),
        indexByName={name: index for index, name in enumerate(columns)},
        renameByName=dict(columns),
    )


def merged(columns: Mapping[str, str], *dropped: str) -> list[models.DataTransformerConfig]:
    """The rows of several queries as one table, organized."""
    return [
        # Each query has its own instant, which would keep the rows apart.
        transformation("filterFieldsByName", exclude={"names": ["Time"]}),
        transformation("merge"),
        organized(columns, *dropped),
    ]


def _panel(
    kind: str,
    about: About,
    queries: Sequence[Query],
    overrides: Sequence[Override],
) -> models.Panel:
    defaults = models.FieldConfig(
        unit=about.unit,
        decimals=about.decimals,
        no_value=about.empty,
    )
    return models.Panel(
        type_val=kind,
        title=about.title,
        description=about.description,
        datasource=SOURCE,
        targets=[_target(ref, query) for ref, query in zip(_REFS, queries, strict=False)],
        field_config=models.FieldConfigSource(defaults=defaults, overrides=list(overrides)),
    )


def _target(ref: str, query: Query) -> Dataquery:
    at_once = query.now or query.rows
    return Dataquery(
        ref_id=ref,
        expr=query.expr,
        legend_format=query.legend or "__auto",
        datasource=SOURCE,
        instant=at_once,
        range_val=not at_once,
        format_val=PromQueryFormat.TABLE if query.rows else PromQueryFormat.TIME_SERIES,
        exemplar=query.exemplars,
    )


def _defaults(panel: models.Panel) -> models.FieldConfig:
    assert panel.field_config is not None
    return panel.field_config.defaults


def _by_threshold(panel: models.Panel, steps: Steps) -> None:
    defaults = _defaults(panel)
    defaults.thresholds = thresholds(steps)
    defaults.color = models.FieldColor(mode=models.FieldColorModeId.THRESHOLDS)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(calcs=["lastNotNull"], values=False, fields="")


def _legend(calcs: list[str]) -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.TABLE if calcs else common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=calcs,
    )
