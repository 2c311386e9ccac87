"""Colors, thresholds and overrides of panels: one color per outcome and severity."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from string import ascii_uppercase
from typing import Any, Final

from exporter import names
from exporter.taxonomy.model import Owner, Phase

GOOD: Final = "green"
BAD: Final = "red"
WARNING: Final = "orange"
OUTCOMES: Final = {"success": GOOD, "neutral": "#8e8e8e", "failure": BAD}
SEVERITIES: Final = {"page": BAD, "ticket": WARNING}

Override = Mapping[str, Any]
Properties = Mapping[str, object]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, "text"),)
TEXT: Final[Properties] = {"unit": "string"}
"""Text that may look like a number. With any other unit Grafana passes the code 4001 to links as "4.00 K"."""
HIDDEN_TEXT: Final[Properties] = {"custom.hidden": True, **TEXT}
WRAPPED: Final[Properties] = {
    **TEXT,
    # Grafana 12.2 and later migrate this option when they load it; Grafana before 11.1 wraps no text.
    "custom.cellOptions": {"type": "auto", "wrapText": True},
    # Adds a button that opens the whole text where it is cut.
    "custom.inspect": True,
}
"""Text in several lines, in a column without links: Grafana does not wrap the text of a link."""


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


def by_queries(colors: Iterable[str]) -> list[Override]:
    """A color for each query, in order."""
    return [by_query(*pair) for pair in zip(ascii_uppercase, map(colored, colors), strict=False)]


def dashed(color: str) -> dict[str, object]:
    return {**DASHED, **colored(color)}


DASHED: Final = {"custom.lineStyle": {"fill": "dash", "dash": [10, 10]}, "custom.fillOpacity": 0}
"""A line without a filled area, such as a threshold."""
BY_OUTCOME: Final = tuple(by_name(name, colored(color)) for name, color in OUTCOMES.items())
"""Colors of series that are named after outcomes."""
EXPECTED: Final = by_regexp("/ expected$/", dashed("blue"))
HIDDEN_CODE: Final = (names.CODE, HIDDEN_TEXT)
"""A hidden column with the code, which links read."""


def thresholds(steps: Steps) -> dict[str, object]:
    """The color from each value on. The first value is None; its color also applies to a text for no data."""
    colors = [{"value": value, "color": color} for value, color in steps]
    return {"mode": "absolute", "steps": colors}


def above(bad: float, warning: float | None = None) -> Steps:
    """Green from 0, orange from `warning` on, red from `bad` on."""
    middle = () if warning is None else ((warning, WARNING),)
    return (*PLAIN, (0, GOOD), *middle, (bad, BAD))


def mappings(shown: Mapping[str, Properties]) -> dict[str, Any]:
    """The text or color of each value."""
    options = {value: {**shown[value], "index": index} for index, value in enumerate(shown)}
    return {"mappings": [{"type": "value", "options": options}]}


def title(identifier: str) -> str:
    """The title of an identifier: "Customer network" for `customer_network`."""
    return identifier.replace("pre_", "pre-").replace("_", " ").capitalize()


TITLES: Final = [
    by_name(word, {"displayName": title(word)})
    for word in dict.fromkeys((*Owner, *Phase, names.UNKNOWN))
]
"""Titles of series that are named after owners and phases."""
OWNERS: Final = mappings({owner.value: {"text": title(owner.value)} for owner in Owner})
"""Titles of owners in a column."""
