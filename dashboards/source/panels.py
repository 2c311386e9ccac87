"""Panels by kind: graph, number, bars, table, states.

`field` are the options of every kind of panel, see `_panel`.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final

from dashboards.source.queries import Query
from dashboards.source.style import PLAIN, Override, Properties, Steps, by_name, thresholds

Panel = dict[str, Any]
Transformation = Mapping[str, Any]
Columns = Mapping[str, tuple[str, Properties]]
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NO_RULES: Final = "No data: Prometheus scrapes no exporter, or the recording rules are not loaded."
NO_EXPORTER: Final = "No data: Prometheus does not scrape this exporter."
LAST: Final = {"calcs": ["lastNotNull"], "values": False, "fields": ""}


def percent(decimals: int) -> dict[str, Any]:
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
    **field: Any,
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
    panel = _panel("timeseries", title, description, queries, options, steps, **field)
    defaults = {"custom": style, "min": low, "max": top, "color": {"mode": "palette-classic"}}
    return _with_defaults(panel, defaults)


def number(
    title: str,
    description: str,
    *queries: Query,
    steps: Steps = PLAIN,
    names_only: bool = False,
    sparkline: bool = False,
    **field: Any,
) -> Panel:
    """Large numbers; with `names_only` the series' names instead of their values."""
    options = {
        "graphMode": "area" if sparkline else "none",
        "textMode": "name" if names_only else "auto",
        "reduceOptions": LAST,
    }
    return _panel("stat", title, description, queries, options, steps, **field)


def bars(title: str, description: str, *queries: Query, color: str, **field: Any) -> Panel:
    """A bar for each series, in the queries' order."""
    options = {
        "displayMode": "basic",
        "valueMode": "text",
        "namePlacement": "left",
        "showUnfilled": False,
        "orientation": "horizontal",
        "reduceOptions": LAST,
    }
    panel = _panel("bargauge", title, description, queries, options, ((None, color),), **field)
    return _with_defaults(panel, {"min": 0})


def states(title: str, description: str, *queries: Query, steps: Steps, **field: Any) -> Panel:
    """A bar of colors for each series, over time."""
    options = {
        "showValue": "never",
        "rowHeight": 0.85,
        "legend": {"showLegend": True, "calcs": []},
        "tooltip": {"sort": "none"},
        # More codes than any system has: no second page.
        "perPage": 100,
    }
    panel = _panel("state-timeline", title, description, queries, options, steps, **field)
    return _with_defaults(panel, {"custom": {"lineWidth": 0, "fillOpacity": 80}})


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
        "table", title, description, queries, options, PLAIN, overrides=overrides, empty=empty
    )
    organize = transformation(
        "organize",
        excludeByName=dict.fromkeys(dropped, True),
        indexByName={name: index for index, name in enumerate(columns)},
        renameByName={name: column for name, (column, _) in columns.items()},
    )
    panel["transformations"] = [*transformations, organize]
    return _with_defaults(panel, {"custom": {"cellOptions": {"type": "auto"}}})


def transformation(name: str, query: str = "", **options: object) -> Transformation:
    """A transformation of a table's rows or columns; `query` limits it to the query of that letter."""
    limit = {"filter": {"id": "byRefId", "options": query}} if query else {}
    return {"id": name, "options": options, **limit}


# Each query has its own instant, which would keep the rows apart.
MERGED: Final = (
    transformation("filterFieldsByName", exclude={"names": ["Time"]}),
    transformation("merge"),
)
"""The rows of several queries as one table."""


def _panel(
    kind: str,
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
    """`unit` is one of Grafana's; `empty` says why there may be no data."""
    recorded = any(":" in query.expr for query in queries)
    defaults = {
        "unit": unit,
        "decimals": decimals,
        "noValue": empty or (NO_RULES if recorded else NO_EXPORTER),
        "thresholds": thresholds(steps),
        "color": {"mode": "thresholds"},
    }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [
            _target(ref, query) for ref, query in zip(ascii_uppercase, queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": [*overrides]},
        "options": options,
    }


def _with_defaults(panel: Panel, defaults: Mapping[str, object]) -> Panel:
    panel["fieldConfig"]["defaults"].update(defaults)
    return panel


def _target(ref: str, query: Query) -> dict[str, object]:
    return {
        "refId": ref,
        "expr": query.expr,
        "legendFormat": query.legend,
        "datasource": SOURCE,
        "instant": query.instant,
        "range": not query.instant,
        "format": "table" if query.table else "time_series",
        "exemplar": query.exemplars,
    }
