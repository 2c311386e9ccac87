"""Panels by kind: graph, number, bars, table, states. `field` has the options of all kinds, see `_panel`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, Final

from dashboards.source.queries import Query, total
from dashboards.source.style import (
    BAD,
    PLAIN,
    Override,
    Properties,
    Steps,
    by_name,
    by_queries,
    thresholds,
)

Panel = dict[str, Any]
Transformation = Mapping[str, Any]
Columns = Mapping[str, tuple[str, Properties]]
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NO_DATA: Final = "No data: see the panel Data."
NOTHING: Final = "–"
LAST: Final = {"calcs": ["lastNotNull"], "values": False, "fields": ""}
COUNT: Final = "locale"
"""Exact, with thousands separators: the unit `short` shows 1,860 as "2 K"."""
SOFT_MAXIMUM: Final = {COUNT: 1, "percentunit": 0.01, "s": 0.01, "bytes": 1024}
"""The axis of a graph whose values are all 0; without it Grafana draws 0 to 100."""


def percent(decimals: int) -> dict[str, Any]:
    return {"unit": "percentunit", "decimals": decimals}


def graph(
    title: str,
    description: str,
    *queries: Query,
    stacked: bool = False,
    line_at: float | None = None,
    low: float | None = 0,
    soft: float | None = None,
    calcs: Sequence[str] = ("lastNotNull", "max"),
    by_maximum: bool = False,
    custom: Mapping[str, object] | None = None,
    colors: str = "palette-classic",
    **field: Any,
) -> Panel:
    """Series over time. `line_at` draws a threshold; the axis begins at `low` and reaches `soft` at least."""
    legend: dict[str, object] = {"displayMode": "list", "placement": "bottom", "calcs": [*calcs]}
    if by_maximum:
        # For many series: the largest maximum first.
        legend = {"displayMode": "table", "placement": "right", "calcs": ["max"]}
        legend |= {"sortBy": "Max", "sortDesc": True}
    options = {
        "legend": {"showLegend": True, **legend},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    steps: Steps = ((None, "green"),) if line_at is None else ((None, "green"), (line_at, "red"))
    style = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if line_at is None else "dashed"},
        "axisSoftMax": soft or SOFT_MAXIMUM[field.get("unit", COUNT)],
        **(custom or {}),
    }
    more = {"custom": style, "min": low, "color": {"mode": colors}}
    return _panel("timeseries", title, description, queries, options, steps, more, **field)


def number(
    title: str,
    description: str,
    *queries: Query,
    steps: Steps = PLAIN,
    names_only: bool = False,
    size: int | None = None,
    empty: str = NOTHING,
    **field: Any,
) -> Panel:
    """Large numbers; with `names_only` the series' names instead of their values."""
    # Grafana makes `empty` as large as a number, so it is short; the panel Data says why there is none.
    options = {
        "graphMode": "none",
        "textMode": "name" if names_only else "auto",
        "reduceOptions": LAST,
        **({"text": {"valueSize": size}} if size else {}),
    }
    return _panel("stat", title, description, queries, options, steps, empty=empty, **field)


def bars(
    title: str, description: str, *queries: Query, overrides: Sequence[Override] = ()
) -> Panel:
    """A red bar for each series of failures, in the queries' order, below its whole name."""
    options = {
        # The mode "basic" draws an edge even at 0.
        "displayMode": "gradient",
        "valueMode": "text",
        "namePlacement": "top",
        "showUnfilled": False,
        "orientation": "horizontal",
        "reduceOptions": LAST,
        "text": {"titleSize": 13, "valueSize": 13},
        "minVizHeight": 10,
    }
    # By query: a text for no data has the color of the panel, and an edge in it.
    field: dict[str, Any] = {"decimals": 0, "empty": "None, or no data"}
    field["overrides"] = [*by_queries(BAD for _ in queries), *overrides]
    return _panel("bargauge", title, description, queries, options, PLAIN, {"min": 0}, **field)


def states(title: str, description: str, *queries: Query, steps: Steps, **field: Any) -> Panel:
    """A bar of colors for each series, over time."""
    options = {
        "showValue": "never",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
        # 0: no pages. A page number would be shown even for a single page.
        "perPage": 0,
    }
    more = {"custom": {"lineWidth": 0, "fillOpacity": 80}}
    panel = _panel("state-timeline", title, description, queries, options, steps, more, **field)
    # A week in steps of 10 minutes takes Prometheus 1.4 s, in 300 steps 0.4 s.
    return panel | {"maxDataPoints": 300}


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Columns,
    transformations: Sequence[Transformation] = (),
    dropped: Sequence[str] = (),
    sort: Sequence[tuple[str, bool]] = (),
    header: bool = True,
    hidden: Sequence[Override] = (),
    joined_by: str = "",
    empty: str = NO_DATA,
) -> Panel:
    """A table. `columns` gives title and properties to the queries' columns, in order.

    `transformations` come before that, and `dropped` columns are removed. Rows of several queries are one
    row where the labels `joined_by` ("system, code") are the same. `sort` has columns; True is descending.
    """
    if joined_by:
        sources = ", ".join(f'"{label}"' for label in joined_by.split(", "))
        first, *others = (f'label_join({query.expr}, "{KEY}", "/", {sources})' for query in queries)
        exprs = (first, *(total(KEY, expr) for expr in others))
        pairs = zip(queries, exprs, strict=True)
        queries = tuple(replace(query, expr=expr) for query, expr in pairs)
        transformations = (*transformations, *JOINED)
        dropped = (*dropped, KEY)
    options = {
        "showHeader": header,
        "sortBy": [{"displayName": column, "desc": largest} for column, largest in sort],
    }
    # Else an empty cell has the text of an empty table.
    shown = (by_name(name, {"noValue": NOTHING, **own}) for name, own in columns.values())
    more = {"custom": {"cellOptions": {"type": "auto"}}}
    field: dict[str, Any] = {"overrides": [*shown, *hidden], "empty": empty}
    panel = _panel("table", title, description, queries, options, PLAIN, more, **field)
    organize = transformation(
        "organize",
        excludeByName=dict.fromkeys(dropped, True),
        indexByName={name: index for index, name in enumerate(columns)},
        renameByName={name: column for name, (column, _) in columns.items()},
    )
    return panel | {"transformations": [*transformations, organize]}


def transformation(name: str, query: str = "", **options: object) -> Transformation:
    """A transformation of a table's rows or columns; `query` limits it to the query of that letter."""
    limit = {"filter": {"id": "byRefId", "options": query}} if query else {}
    return {"id": name, "options": options, **limit}


KEY: Final = "key"
"""A label that joins other labels."""
JOINED: Final = (
    transformation("filterFieldsByName", exclude={"names": ["Time"]}),
    transformation("joinByField", byField=KEY, mode="outer"),
)
"""The rows of several queries as one table. The transformation "merge" leaves empty results apart."""


def repeated(panel: Panel, variable: str) -> Panel:
    """The panel once for each value of the variable, two side by side."""
    return panel | {"repeat": variable, "repeatDirection": "h", "maxPerRow": 2}


def _panel(
    kind: str,
    title: str,
    description: str,
    queries: Sequence[Query],
    options: Mapping[str, object],
    steps: Steps,
    more: Mapping[str, object] | None = None,
    *,
    unit: str = COUNT,
    decimals: int | None = None,
    empty: str = NO_DATA,
    overrides: Sequence[Override] = (),
) -> Panel:
    """A panel; `unit` is Grafana's, `empty` says why there may be no data, `more` are other defaults."""
    defaults = {
        "unit": unit,
        "decimals": decimals,
        "noValue": empty,
        "thresholds": thresholds(steps),
        "color": {"mode": "thresholds"},
        **(more or {}),
    }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": ref,
                "expr": query.expr,
                "legendFormat": query.legend,
                "datasource": SOURCE,
                "instant": query.instant,
                "range": not query.instant,
                "format": "table" if query.table else "time_series",
                "exemplar": query.exemplars,
            }
            for ref, query in zip(ascii_uppercase, queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": [*overrides]},
        "options": options,
    }
