"""The alerts that fire, as a table with links: the same on every dashboard that has it."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source.links import to_code, to_runbook
from dashboards.source.panels import About, Query, organized, rows, transformation
from dashboards.source.queries import ALERTS, ALERTS_SINCE, FIRING, SHIPPED, selector
from dashboards.source.style import HIDDEN, SEVERITIES, TEXT, by_name, marked
from exporter import names

COLUMNS: Final = {
    "Value": "Since",
    names.SEVERITY: "Severity",
    "signal": "Signal",
    names.SYSTEM: "System",
    "title": "Alert",
    names.CODE: names.CODE,
    "runbook": "runbook",
}


def alert_list(*matchers: str) -> models.Panel:
    """Which alerts fire, since when, with links to runbook and code."""
    about = About(
        title="Alert list",
        description="Alerts that fire, the latest first. Pages notify on-call, tickets wait for office "
        "hours. Normal is none. An alert links to its runbook and to the dashboard of its code.",
        empty="No alert is firing.",
    )
    return rows(
        about,
        [Query(_alerts(*matchers), rows=True)],
        [
            transformation("filterFieldsByName", include={"names": [*COLUMNS]}),
            organized(COLUMNS),
        ],
        [
            by_name("Since", {"unit": "dateTimeFromNow", "custom.width": 110}),
            by_name("Severity", {**marked(SEVERITIES), "custom.width": 75}),
            by_name("Signal", {"custom.width": 80}),
            by_name("System", {"custom.width": 95}),
            by_name("Alert", {**TEXT, "links": [to_code("System"), to_runbook("runbook")]}),
            by_name(names.CODE, {**HIDDEN, **TEXT}),
            by_name("runbook", {**HIDDEN, **TEXT}),
        ],
        sort="Since",
    )


def _alerts(*matchers: str) -> str:
    """Unix milliseconds at which each alert became true, with `title` and the path of its `runbook`.

    The title is code and name, or the alert's name where the alert is not about a code: label_replace
    changes nothing where its pattern does not match.
    """
    firing = selector(ALERTS, FIRING, SHIPPED, *matchers)
    since = f"1000 * {firing}\n* ignoring (alertstate) {selector(ALERTS_SINCE, SHIPPED, *matchers)}"
    joined = (
        f'label_join(label_join({since}, "words", " ", "{names.CODE}", "{names.NAME}"),'
        f' "path", "/", "{names.SYSTEM}", "{names.CODE}")'
    )
    expr = joined
    for label, value, source, pattern in (
        ("title", "$1", "alertname", "(.+)"),
        ("title", "$1", "words", "(.+ .+)"),
        ("runbook", f"{names.ALERTS_PATH}/$1", "alertname", "(.+)"),
        ("runbook", f"{names.CODES_PATH}/$1", "path", "(.+/.+)"),
    ):
        expr = f'label_replace({expr}, "{label}", "{value}", "{source}", "{pattern}")'
    return expr
