"""Session ends: overview. Ratios, breakdowns, top codes and alerts; the first 22 rows fill a screen."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import breakdown, queries, slo
from dashboards.source.alert_list import alert_list
from dashboards.source.layout import Section, Strip, build
from dashboards.source.panels import Panel, number
from dashboards.source.queries import ALERTS, FIRING, KEYS, SYSTEMS, SYSTEMS_OR_NONE, Query
from dashboards.source.style import GOOD, SEVERITIES, above, by_name, thresholds
from dashboards.source.top_codes import top_codes
from dashboards.source.variables import label, system
from exporter import names


def dashboard() -> Dashboard:
    """For a wall screen and for a first look in the morning."""
    first = (
        Strip(4, _numbers(), (6, 6, 4, 4, 4)),
        Strip(8, [breakdown.by_outcome(), *breakdown.breakdowns()], (12, 4, 4, 4)),
        Strip(10, [top_codes(), alert_list(SYSTEMS_OR_NONE)], (16, 8)),
    )
    return build(
        "session-ends",
        "Session ends: overview",
        "Are sessions ending well? If not: where, with which codes, and what is the fix?",
        [
            Section("", first),
            Section("Codes against thresholds", [Strip(20, [breakdown.thresholds_by_code()])]),
            Section("Breakdown by label", [Strip(8, [breakdown.by_label()])], folded=True),
        ],
        [system(), label()],
        alerts=[f'{names.SEVERITY}="page"', SYSTEMS_OR_NONE],
        range="now-6h",
        builds=True,
    )


def _numbers() -> list[Panel]:
    spikes = queries.selector(ALERTS, FIRING, 'alertname="SessionEndSpike"', SYSTEMS)
    # 0 only where codes have a baseline that they can be above.
    known = queries.selector(names.RULE_SHARE, SYSTEMS)
    return [
        slo.recent_success_ratio("1h"),
        slo.budget_remaining(),
        number(
            "Codes spiking",
            "Codes with a firing spike alert; the alert list names them. Normal is 0.",
            Query(f"count(group by ({KEYS}) ({spikes})) or 0 * count({known})", "codes"),
            steps=above(1),
            sparkline=True,
            decimals=0,
        ),
        number(
            "Alerts firing",
            "Pages notify on-call; tickets wait for office hours. Normal is 0 of both.",
            *map(_firing, SEVERITIES),
            steps=above(1),
            decimals=0,
            empty="No data: Prometheus does not answer.",
            overrides=[
                by_name(severity, {"thresholds": thresholds(((None, GOOD), (1, color))).to_json()})
                for severity, color in SEVERITIES.items()
            ],
        ),
        number(
            "Sessions ended (1h)",
            "All session ends of the last hour, with any outcome.",
            Query(queries.ends("1h"), "{{system}}"),
            sparkline=True,
            decimals=0,
        ),
    ]


def _firing(severity: str) -> Query:
    matcher = f'{names.SEVERITY}="{severity}"'
    alerts = queries.selector(ALERTS, FIRING, queries.SHIPPED, matcher, SYSTEMS_OR_NONE)
    return Query(f"count({alerts}) or vector(0)", severity, instant=True)
