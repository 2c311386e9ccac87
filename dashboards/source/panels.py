"""Panels by kind: graph, number, bars, table, states. Each has a description and a text for no data."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final, TypedDict, Unpack

from grafana_foundation_sdk.models import bargauge, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import table as tables
from grafana_foundation_sdk.models.common import TableFieldOptions
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from dashboards.source.queries import Query
from dashboards.source.style import PLAIN, Override, Properties, Steps, by_name, thresholds

Panel = models.Panel
Transformation = models.DataTransformerConfig
Columns = Mapping[str, tuple[str, Properties]]
SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_RULES: Final = "No data: Prometheus scrapes no exporter, or the recording rules are not loaded."
NO_EXPORTER: Final = "No data: Prometheus does not scrape this exporter."
NO_THRESHOLD: Final = (
    "No data: the code has no baseline yet, or the recording rules are not loaded."
)
LAST: Final = {"calcs": ["lastNotNull"], "values": False, "fields": ""}


class Unit(TypedDict, total=False):
    """`unit` is one of Grafana's."""

    unit: str
    decimals: int


class Field(Unit, total=False):
    """Options of every kind of panel: `empty` says why there may be no data."""

    empty: str
    overrides: Sequence[Override]


def percent(decimals: int) -> Unit:
    """Ratios as percentages."""
    return {"unit": "percentunit", "decimals": decimals}


def graph(
    title: str,
    description: str,
    *queries: Query,
    stacked: bool = False,
    line_at: float | None = None,
    low: float | None = 0,
    top: float | None = None,
    **field: Unpack[Field],
) -> Panel:
    """Series over time. `line_at` draws a threshold; the axis is from `low` to `top`."""
    legend = {"displayMode": "table", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    steps: Steps = ((None, "green"),) if line_at is None else ((None, "green"), (line_at, "red"))
    style = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if line_at is None else "dashed"},
    }
    panel = _panel(timeseries, title, description, queries, options, steps, **field)
    defaults = _defaults(panel)
    defaults.custom = timeseries.FieldConfig.from_json(style)
    defaults.min_val, defaults.max_val = low, top
    defaults.color = models.FieldColor(mode=models.FieldColorModeId.PALETTE_CLASSIC)
    return panel


def number(
    title: str,
    description: str,
    *queries: Query,
    steps: Steps = PLAIN,
    names_only: bool = False,
    sparkline: bool = False,
    **field: Unpack[Field],
) -> Panel:
    """Large numbers; with `names_only` the series' names instead of their values."""
    options = {
        "graphMode": "area" if sparkline else "none",
        "textMode": "name" if names_only else "auto",
        "reduceOptions": LAST,
    }
    return _panel(stat, title, description, queries, options, steps, **field)


def bars(
    title: str, description: str, *queries: Query, color: str, **field: Unpack[Field]
) -> Panel:
    """A bar for each series, in the queries' order."""
    options = {
        "displayMode": "basic",
        "valueMode": "text",
        "namePlacement": "left",
        "showUnfilled": False,
        "orientation": "horizontal",
        "reduceOptions": LAST,
    }
    panel = _panel(bargauge, title, description, queries, options, ((None, color),), **field)
    _defaults(panel).min_val = 0
    return panel


def states(
    title: str, description: str, *queries: Query, steps: Steps, **field: Unpack[Field]
) -> Panel:
    """A bar of colors for each series, over time."""
    options = {
        "showValue": "never",
        "rowHeight": 0.85,
        "legend": {"showLegend": True, "calcs": []},
        "tooltip": {"sort": "none"},
        # More codes than any system has: no second page.
        "perPage": 100,
    }
    panel = _panel(statetimeline, title, description, queries, options, steps, **field)
    _defaults(panel).custom = statetimeline.FieldConfig(line_width=0, fill_opacity=80)
    return panel


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Columns,
    transformations: Sequence[Transformation] = (),
    dropped: Sequence[str] = (),
    sort: str = "",
    header: bool = True,
    hidden: Sequence[Override] = (),
    empty: str,
) -> Panel:
    """A table. `columns` gives title and properties to the queries' columns, in order; `transformations`
    come before that. Columns in `dropped` are removed; `sort` is a column, largest first."""
    options = {
        "showHeader": header,
        "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
    }
    overrides = [*(by_name(*column) for column in columns.values()), *hidden]
    panel = _panel(
        tables, title, description, queries, options, PLAIN, overrides=overrides, empty=empty
    )
    organize = transformation(
        "organize",
        excludeByName=dict.fromkeys(dropped, True),
        indexByName={name: index for index, name in enumerate(columns)},
        renameByName={name: column for name, (column, _) in columns.items()},
    )
    panel.transformations = [*transformations, organize]
    _defaults(panel).custom = TableFieldOptions.from_json({"cellOptions": {"type": "auto"}})
    return panel


def transformation(name: str, query: str = "", **options: object) -> Transformation:
    """A transformation of a table's rows or columns; `query` limits it to the query of that letter."""
    matcher = models.MatcherConfig(id_val="byRefId", options=query) if query else None
    return Transformation(id_val=name, filter_val=matcher, options=options)


# Each query has its own instant, which would keep the rows apart.
MERGED: Final = (
    transformation("filterFieldsByName", exclude={"names": ["Time"]}),
    transformation("merge"),
)
"""The rows of several queries as one table."""


def _panel(
    kind: Any,
    title: str,
    description: str,
    queries: Sequence[Query],
    options: Mapping[str, object],
    steps: Steps,
    *,
    unit: str = "short",
    decimals: int | None = None,
    empty: str = "",
    overrides: Sequence[Override] = (),
) -> Panel:
    """`kind` is the SDK's module; the SDK adds Grafana's default values to `options`."""
    recorded = any(":" in query.expr for query in queries)
    defaults = models.FieldConfig(
        unit=unit,
        decimals=decimals,
        no_value=empty or (NO_RULES if recorded else NO_EXPORTER),
        thresholds=thresholds(steps),
        color=models.FieldColor(mode=models.FieldColorModeId.THRESHOLDS),
    )
    return Panel(
        type_val=kind.variant_config().identifier,
        title=title,
        description=description,
        datasource=SOURCE,
        targets=[_target(ref, query) for ref, query in zip(ascii_uppercase, queries, strict=False)],
        field_config=models.FieldConfigSource(defaults=defaults, overrides=list(overrides)),
        options=kind.Options.from_json(options),
    )


def _target(ref: str, query: Query) -> Dataquery:
    return Dataquery(
        ref_id=ref,
        expr=query.expr,
        legend_format=query.legend,
        datasource=SOURCE,
        instant=query.instant,
        range_val=not query.instant,
        format_val=PromQueryFormat.TABLE if query.table else PromQueryFormat.TIME_SERIES,
        exemplar=query.exemplars,
    )


def _defaults(panel: Panel) -> models.FieldConfig:
    assert panel.field_config is not None
    return panel.field_config.defaults
