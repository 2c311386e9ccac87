"""Colors, thresholds and overrides of panels: one color per outcome and meaning."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

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

Override = models.DashboardFieldConfigSourceOverrides
Properties = Mapping[str, object]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, "text"),)
TEXT: Final[Properties] = {"unit": "string"}
"""Text that may look like a number. With any other unit Grafana passes the code 4001 to links as "4.00 K"."""
HIDDEN_TEXT: Final[Properties] = {"custom.hidden": True, **TEXT}


def _override(matcher: str, option: str, properties: Properties) -> Override:
    return Override(
        matcher=models.MatcherConfig(id_val=matcher, options=option),
        properties=[
            models.DynamicConfigValue(id_val=name, value=value)
            for name, value in properties.items()
        ],
    )


by_name = partial(_override, "byName")
"""Properties of the series or column of that name."""
by_regexp = partial(_override, "byRegexp")
"""Properties of series whose name matches JavaScript's `/pattern/`."""
by_query = partial(_override, "byFrameRefID")
"""Properties of the series of a query, by its letter."""


def colored(color: str) -> dict[str, object]:
    """A fixed color."""
    return {"color": {"mode": "fixed", "fixedColor": color}}


def reference_line(color: str) -> dict[str, object]:
    """A line that counts are compared with: dashed, without a filled area."""
    return {**colored(color), **DASHED}


BY_OUTCOME: Final = tuple(by_name(name, colored(color)) for name, color in OUTCOMES.items())
"""Colors of series that are named after outcomes."""
EXPECTED: Final = by_regexp("/ expected$/", reference_line("blue"))
HIDDEN_SYSTEM: Final = by_name(names.SYSTEM, {"custom.hidden": True})
HIDDEN_CODE: Final = by_name(names.CODE, HIDDEN_TEXT)
"""Columns that links read."""


def thresholds(steps: Steps) -> models.ThresholdsConfig:
    """Colors from values on; None, the value of the first step, is the lowest."""
    return models.ThresholdsConfig(
        mode=models.ThresholdsMode.ABSOLUTE,
        steps=[models.Threshold(value=value, color=color) for value, color in steps],
    )


def above(bad: float, warning: float | None = None) -> Steps:
    """Green, orange from `warning` on, red from `bad` on."""
    middle = () if warning is None else ((warning, WARNING),)
    return ((None, GOOD), *middle, (bad, BAD))


def value_colors(colors: Mapping[str, str]) -> dict[str, object]:
    """A color for each value of a column."""
    options = {
        value: {"color": color, "index": index}
        for index, (value, color) in enumerate(colors.items())
    }
    return {
        "mappings": [{"type": "value", "options": options}],
        "custom.cellOptions": {"type": "color-text"},
    }
