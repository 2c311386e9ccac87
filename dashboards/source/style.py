"""Colors, thresholds and overrides of panels: one color per outcome and severity."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from exporter import names

GOOD: Final = "green"
BAD: Final = "red"
WARNING: Final = "orange"
OUTCOMES: Final = {"success": GOOD, "neutral": "#8e8e8e", "failure": BAD}
SEVERITIES: Final = {"page": BAD, "ticket": WARNING}
DASHED: Final = {
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.fillOpacity": 0,
}

Override = Mapping[str, Any]
Properties = Mapping[str, object]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, "text"),)
TEXT: Final[Properties] = {"unit": "string"}
"""Text that may look like a number. With any other unit Grafana passes the code 4001 to links as "4.00 K"."""
HIDDEN_TEXT: Final[Properties] = {"custom.hidden": True, **TEXT}


def _override(matcher: str, option: str, properties: Properties) -> Override:
    values = [{"id": name, "value": properties[name]} for name in properties]
    return {"matcher": {"id": matcher, "options": option}, "properties": values}


by_name = partial(_override, "byName")
"""Properties of the series or column of that name."""
by_regexp = partial(_override, "byRegexp")
"""Properties of series whose name matches JavaScript's `/pattern/`."""
by_query = partial(_override, "byFrameRefID")
"""Properties of the series of a query, by its letter."""


def colored(color: str) -> dict[str, object]:
    return {"color": {"mode": "fixed", "fixedColor": color}}


def reference_line(color: str) -> dict[str, object]:
    """A dashed line without a filled area, such as a threshold."""
    return {**colored(color), **DASHED}


BY_OUTCOME: Final = tuple(by_name(name, colored(color)) for name, color in OUTCOMES.items())
"""Colors of series that are named after outcomes."""
EXPECTED: Final = by_regexp("/ expected$/", reference_line("blue"))
HIDDEN_SYSTEM: Final = by_name(names.SYSTEM, {"custom.hidden": True})
HIDDEN_CODE: Final = by_name(names.CODE, HIDDEN_TEXT)
"""Columns that links read."""


def thresholds(steps: Steps) -> dict[str, object]:
    """The color from each value on; the first value is None."""
    colors = [{"value": value, "color": color} for value, color in steps]
    return {"mode": "absolute", "steps": colors}


def above(bad: float, warning: float | None = None) -> Steps:
    """Green, orange from `warning` on, red from `bad` on."""
    middle = () if warning is None else ((warning, WARNING),)
    return ((None, GOOD), *middle, (bad, BAD))


def value_colors(colors: Mapping[str, str]) -> dict[str, object]:
    """The color of each value of a column."""
    options = {name: {"color": colors[name], "index": index} for index, name in enumerate(colors)}
    return {
        "mappings": [{"type": "value", "options": options}],
        "custom.cellOptions": {"type": "color-text"},
    }
