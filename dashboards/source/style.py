"""Colors, thresholds and overrides of panels: one color per outcome and meaning."""

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

GOOD: Final = "green"
BAD: Final = "red"
WARNING: Final = "orange"
OUTCOMES: Final = {"success": GOOD, "neutral": "#8e8e8e", "failure": BAD}
SEVERITIES: Final = {"page": BAD, "ticket": WARNING}
EXPECTED: Final = "blue"
DASHED: Final = {
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.fillOpacity": 0,
}

Override = models.DashboardFieldConfigSourceOverrides
Properties = Mapping[str, object]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, "text"),)
BUDGET_LEFT: Final[Steps] = ((None, BAD), (0, WARNING), (0.25, GOOD))
HIDDEN: Final[Properties] = {"custom.hidden": True}
TEXT: Final[Properties] = {"unit": "string"}
"""Text that may look like a number. With any other unit Grafana passes the code 4001 to links as "4.00 K"."""


def by_name(name: str, properties: Properties) -> Override:
    """Properties of the series or column of that name."""
    return _override("byName", name, properties)


def by_regexp(pattern: str, properties: Properties) -> Override:
    """Properties of series whose name matches; `pattern` is JavaScript's, without slashes."""
    return _override("byRegexp", f"/{pattern}/", properties)


def by_query(ref_id: str, properties: Properties) -> Override:
    """Properties of the series of a query, whatever their names."""
    return _override("byFrameRefID", ref_id, properties)


def _override(matcher: str, option: str, properties: Properties) -> Override:
    return Override(
        matcher=models.MatcherConfig(id_val=matcher, options=option),
        properties=[
            models.DynamicConfigValue(id_val=name, value=value)
            for name, value in properties.items()
        ],
    )


def colored(color: str) -> dict[str, object]:
    """A fixed color."""
    return {"color": {"mode": "fixed", "fixedColor": color}}


def reference(color: str) -> dict[str, object]:
    """A line that counts are compared with: dashed, without a filled area."""
    return {**colored(color), **DASHED}


def outcomes() -> list[Override]:
    """Colors of series that are named after outcomes."""
    return [by_name(name, colored(color)) for name, color in OUTCOMES.items()]


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


def marked(colors: Mapping[str, str]) -> dict[str, object]:
    """A color for each value of a column."""
    options = {
        value: {"color": color, "index": index}
        for index, (value, color) in enumerate(colors.items())
    }
    return {
        "mappings": [{"type": "value", "options": options}],
        "custom.cellOptions": {"type": "color-text"},
    }
