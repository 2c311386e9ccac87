"""Panels by kind: graph, number, bars, table. `field` has the options of all kinds, see `panel`."""

from collections.abc import Mapping, Sequence
from functools import partial
from string import ascii_uppercase
from typing import Any, Final

from dashboards.source import style
from dashboards.source.queries import Query, total
from dashboards.source.style import PLAIN, Override, Properties, Steps

Panel = dict[str, Any]
Columns = Mapping[str, tuple[str, Properties]]
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NO_DATA: Final = "No data: see the panel Data."
NOTHING: Final = "–"
COUNT: Final = "locale"
"""Exact, with thousands separators: the unit `short` shows 1,860 as "2 K"."""
SOFT_MAXIMUM: Final = {COUNT: 1, "percentunit": 0.01, "s": 0.01, "bytes": 1024}
"""The axis of a graph whose values are all 0; without it Grafana draws 0 to 100."""
STACKED: Final[Mapping[str, Any]] = {
    "legend": {"calcs": []},
    "custom": {"fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}},
}
BY_NAME: Final = {"mode": "palette-classic-by-name"}
"""Series with the same name have the same color."""
LARGEST_FIRST: Final = {
    **{"displayMode": "table", "placement": "right", "calcs": ["max"]},
    **{"sortBy": "Max", "sortDesc": True},
}
"""A legend for many series."""
NUMBER: Final = {"graphMode": "none"}
NUMBER_22: Final = {**NUMBER, "text": {"valueSize": 22}}
NAMES: Final = {**NUMBER_22, "textMode": "name"}
"""The series' names instead of their values."""
KEY: Final = "key"
"""A label that joins other labels."""
REPEATED: Final = {"repeatDirection": "h", "maxPerRow": 2}
"""A panel once for each value of the variable `repeat`, two side by side."""


def percent(decimals: int) -> dict[str, Any]:
    return {"unit": "percentunit", "decimals": decimals}


def panel(
    kind: str,
    title: str,
    description: str,
    *queries: Query,
    options: Mapping[str, object],
    steps: Steps = PLAIN,
    overrides: Sequence[Override] = (),
    empty: str = NO_DATA,
    **field: Any,
) -> Panel:
    """A panel; `empty` says why there may be no data, `field` are other options of all its fields.

    What equals Grafana's default is not written.
    """
    shared = {
        "unit": COUNT,
        "noValue": empty,
        "thresholds": style.thresholds(steps),
        "color": {"mode": "thresholds"},
    }
    defaults = {key: value for key, value in {**shared, **field}.items() if value is not None}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [
            {"refId": ref, **query} for ref, query in zip(ascii_uppercase, queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": [*overrides]},
        "options": options,
    }


number = partial(panel, "stat", options=NUMBER, empty=NOTHING)
"""Large numbers. The text for no data is as large, so it is short: the panel Data says why there is none."""


def graph(
    title: str,
    description: str,
    *queries: Query,
    legend: Mapping[str, object] | None = None,
    line_at: float | None = None,
    custom: Mapping[str, object] | None = None,
    **field: Any,
) -> Panel:
    """Series over time. `line_at` draws a threshold."""
    calcs = {"calcs": ["lastNotNull", "max"]}
    options = {"legend": legend or calcs, "tooltip": {"mode": "multi", "sort": "desc"}}
    line: Steps = () if line_at is None else ((line_at, "red"),)
    field = {"color": {"mode": "palette-classic"}, "min": 0, **field}
    field["custom"] = {
        "fillOpacity": 8,
        "showPoints": "never",
        "axisSoftMax": SOFT_MAXIMUM[field.get("unit", COUNT)],
        **({"thresholdsStyle": {"mode": "dashed"}} if line else {}),
        **(custom or {}),
    }
    steps: Steps = ((None, "green"), *line)
    return panel("timeseries", title, description, *queries, options=options, steps=steps, **field)


def bars(
    title: str, description: str, *queries: Query, overrides: Sequence[Override] = ()
) -> Panel:
    """A red bar for each series of failures, in the queries' order, below its whole name."""
    options = {
        "valueMode": "text",
        "namePlacement": "top",
        "showUnfilled": False,
        "orientation": "horizontal",
        "text": {"titleSize": 13, "valueSize": 13},
        "minVizHeight": 10,
    }
    # By query: a text for no data has the color of the panel, and an edge in it.
    overrides = [*style.by_queries(style.BAD for _ in queries), *overrides]
    field: dict[str, Any] = {"overrides": overrides, "empty": "None, or no data"}
    field |= {"decimals": 0, "min": 0}
    return panel("bargauge", title, description, *queries, options=options, **field)


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Columns,
    transformations: Sequence[Mapping[str, object]] = (),
    joined_by: str = "",
    sort: Sequence[tuple[str, bool]] = (),
    empty: str = NO_DATA,
) -> Panel:
    """A table. `columns` gives title and properties to the queries' columns, in order; others are left out.

    `transformations` come before that. Rows of several queries are one row where the labels `joined_by`
    ("system, code") are the same. `sort` has columns; True is descending. Without it there is no header.
    """
    if joined_by:
        sources = ", ".join(f'"{label}"' for label in joined_by.split(", "))
        keyed = (f'label_join({query["expr"]}, "{KEY}", "/", {sources})' for query in queries)
        first, *others = keyed
        exprs = (first, *(total(KEY, expr) for expr in others))
        queries = tuple(query | {"expr": expr} for query, expr in zip(queries, exprs, strict=True))
        # The transformation "merge" leaves empty results apart.
        untimed = {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}}
        joined = {"id": "joinByField", "options": {"byField": KEY, "mode": "outer"}}
        transformations = (*transformations, untimed, joined)
    options = {
        "showHeader": bool(sort),
        "sortBy": [{"displayName": column, "desc": largest} for column, largest in sort],
    }
    # Else an empty cell has the text of an empty table.
    overrides = [style.by_name(name, {"noValue": NOTHING, **own}) for name, own in columns.values()]
    field: dict[str, Any] = {"options": options, "overrides": overrides, "empty": empty}
    order = {name: index for index, name in enumerate(columns)}
    titles = {name: column for name, (column, _) in columns.items()}
    chosen = {"id": "filterFieldsByName", "options": {"include": {"names": [*columns]}}}
    organized = {"id": "organize", "options": {"indexByName": order, "renameByName": titles}}
    shown = {"transformations": [*transformations, chosen, organized]}
    return panel("table", title, description, *queries, **field) | shown
