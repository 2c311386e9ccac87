"""What panels look like: one colour per outcome and meaning, thresholds, and overrides of single series."""

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter.policy.model import Budget
from exporter.taxonomy.model import Outcome

GOOD: Final = "green"
BAD: Final = "red"
WARNING: Final = "orange"
OUTCOMES: Final[Mapping[str, str]] = {
    Outcome.SUCCESS.value: GOOD,
    Outcome.NEUTRAL.value: "#8e8e8e",
    Outcome.FAILURE.value: BAD,
}
LIMIT: Final = WARNING
USUAL: Final = "blue"
DASHED: Final = {"fill": "dash", "dash": [10, 10]}

Properties = Mapping[str, object]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, "text"),)
BUDGET_LEFT: Final[Steps] = ((None, BAD), (0, WARNING), (0.25, GOOD))
HIDDEN: Final[Properties] = {"custom.hidden": True}
AS_WRITTEN: Final[Properties] = {"unit": "string"}
"""Text that may look like a number. With any other unit Grafana passes the code 4001 to links as "4.00 K"."""


def by_name(name: str, properties: Properties) -> models.DashboardFieldConfigSourceOverrides:
    """How the series or column of that name looks."""
    return _override("byName", name, properties)


def by_regexp(pattern: str, properties: Properties) -> models.DashboardFieldConfigSourceOverrides:
    """How series whose name matches look; `pattern` is JavaScript's, without slashes."""
    return _override("byRegexp", f"/{pattern}/", properties)


def by_query(ref_id: str, properties: Properties) -> models.DashboardFieldConfigSourceOverrides:
    """How the series of one query look, whatever their names."""
    return _override("byFrameRefID", ref_id, properties)


def _override(
    matcher: str, option: str, properties: Properties
) -> models.DashboardFieldConfigSourceOverrides:
    return models.DashboardFieldConfigSourceOverrides(
        matcher=models.MatcherConfig(id_val=matcher, options=option),
        properties=[
            models.DynamicConfigValue(id_val=name, value=value)
            for name, value in properties.items()
        ],
    )


def coloured(colour: str) -> dict[str, object]:
    """One colour, whatever the value."""
    return {"color": {"mode": "fixed", "fixedColor": colour}}


def line(colour: str) -> dict[str, object]:
    """A reference that counts are read against: dashed, and nothing below it."""
    return {**coloured(colour), "custom.lineStyle": DASHED, "custom.fillOpacity": 0}


def outcomes() -> list[models.DashboardFieldConfigSourceOverrides]:
    """The three outcomes' colours, for series that are named after them."""
    return [by_name(name, coloured(colour)) for name, colour in OUTCOMES.items()]


def thresholds(steps: Steps) -> models.ThresholdsConfig:
    """Colours from the values on; the first step has None for its value, the lowest there is."""
    return models.ThresholdsConfig(
        mode=models.ThresholdsMode.ABSOLUTE,
        steps=[models.Threshold(value=value, color=colour) for value, colour in steps],
    )


def from_objective(objective: float) -> Steps:
    """A success ratio: red below the objective, green from it on."""
    return ((None, BAD), (objective, GOOD))


def own_objectives(budget: Budget) -> list[models.DashboardFieldConfigSourceOverrides]:
    """Colours of success ratios, named after their systems, of systems with an objective of their own."""
    return [
        by_name(
            one.system,
            {"thresholds": thresholds(from_objective(float(one.objective))).to_json()},
        )
        for one in budget.objectives
    ]


def percent(part: float) -> str:
    """A part of 1 for a text: 99.5 %."""
    return f"{100 * part:.6g} %"


def above(limit: float, warning: float | None = None) -> Steps:
    """Green, orange from `warning` on, red from `limit` on."""
    middle = () if warning is None else ((warning, WARNING),)
    return ((None, GOOD), *middle, (limit, BAD))


def mapped(texts: Mapping[str, str]) -> list[dict[str, object]]:
    """Value mappings as an override has them: values that are shown as texts."""
    options = {value: {"text": text, "index": at} for at, (value, text) in enumerate(texts.items())}
    return [{"type": "value", "options": options}]


def marked(colours: Mapping[str, str]) -> dict[str, object]:
    """Values of a column in a colour each."""
    options = {
        value: {"color": colour, "index": at} for at, (value, colour) in enumerate(colours.items())
    }
    return {
        "mappings": [{"type": "value", "options": options}],
        "custom.cellOptions": {"type": "color-text"},
    }
