"""The table of firing alerts, with links to runbooks and codes."""

from typing import Final

from dashboards.source.links import cell, to_code, to_runbook
from dashboards.source.panels import Columns, Panel, table, transformation
from dashboards.source.queries import ALERTS, ALERTS_SINCE, FIRING, SHIPPED, rows, selector
from dashboards.source.style import HIDDEN_TEXT, SEVERITIES, TEXT, value_colors
from exporter import names

COLUMNS: Final[Columns] = {
    "Value": ("Since", {"unit": "dateTimeFromNow", "custom.width": 110}),
    names.SEVERITY: ("Severity", {**value_colors(SEVERITIES), "custom.width": 75}),
    "signal": ("Signal", {"custom.width": 80}),
    names.SYSTEM: ("System", {"custom.width": 95}),
    "title": ("Alert", {**TEXT, "links": [to_code("System"), to_runbook(cell("runbook"))]}),
    names.CODE: (names.CODE, HIDDEN_TEXT),
    "runbook": ("runbook", HIDDEN_TEXT),
}


def alert_list(*matchers: str) -> Panel:
    return table(
        "Alert list",
        "Firing alerts, latest first. Pages notify on-call; tickets wait for office hours. An alert links "
        "to its runbook and to the dashboard of its code.",
        rows(_alerts(*matchers)),
        columns=COLUMNS,
        transformations=[transformation("filterFieldsByName", include={"names": [*COLUMNS]})],
        sort="Since",
        empty="No alert is firing.",
    )


def _alerts(*matchers: str) -> str:
    """Unix milliseconds at which each alert became true, with `title` and the path of its `runbook`.

    The title is code and name, or the alert's name where the alert is not about a code: label_replace
    changes nothing where its pattern does not match.
    """
    firing = selector(ALERTS, FIRING, SHIPPED, *matchers)
    since = f"1000 * {firing}\n* ignoring (alertstate) {selector(ALERTS_SINCE, SHIPPED, *matchers)}"
    expr = (
        f'label_join(label_join({since}, "words", " ", "{names.CODE}", "{names.NAME}"),'
        f' "path", "/", "{names.SYSTEM}", "{names.CODE}")'
    )
    for label, value, source, pattern in (
        ("title", "$1", "alertname", "(.+)"),
        ("title", "$1", "words", "(.+ .+)"),
        ("runbook", f"{names.ALERTS_PATH}/$1", "alertname", "(.+)"),
        ("runbook", f"{names.CODES_PATH}/$1", "path", "(.+/.+)"),
    ):
        expr = f'label_replace({expr}, "{label}", "{value}", "{source}", "{pattern}")'
    return expr
