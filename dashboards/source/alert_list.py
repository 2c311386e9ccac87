"""The table of firing alerts, with links to runbooks and codes."""

from typing import Final

from dashboards.source import queries
from dashboards.source.links import cell, to_code, to_runbook
from dashboards.source.panels import Columns, Panel, table, transformation
from dashboards.source.queries import ALERTS, FIRING, SHIPPED, rows, selector, with_label
from dashboards.source.style import HIDDEN_TEXT, SEVERITIES, TEXT, value_colors
from exporter import names

SUMMARIES: Final = {
    "spike": "spike on",
    "overrun": "overrun on",
    "elevated": "elevated on",
    "new": "is new on",
    "stopped": "Successful session ends stopped on",
    "queue": "The queue for a worker grows on",
    "budget": "Error budget burns too fast on",
}
"""The words of each signal's summary, between the code and the system."""
COLUMNS: Final[Columns] = {
    names.SEVERITY: ("Severity", {**value_colors(SEVERITIES), "custom.width": 95}),
    "title": (
        "Alert",
        {**TEXT, "custom.minWidth": 350, "links": [to_code(), to_runbook(cell("runbook"))]},
    ),
    "Value": ("Since", {"unit": "dateTimeFromNow", "custom.width": 140}),
    names.SYSTEM: ("System", HIDDEN_TEXT),
    names.CODE: (names.CODE, HIDDEN_TEXT),
    "runbook": ("runbook", HIDDEN_TEXT),
}


def alert_list(*matchers: str) -> Panel:
    return table(
        "Alert list",
        "Firing alerts, pages first. Pages notify on-call; tickets wait for office hours. An alert links "
        "to its runbook and to the dashboard of its code.",
        rows(_alerts(*matchers)),
        columns=COLUMNS,
        transformations=[transformation("filterFieldsByName", include={"names": [*COLUMNS]})],
        sort=[("Severity", False), ("Since", True)],
        empty="No alert is firing. Without rules none can fire: see the panel Data.",
    )


def _alerts(*matchers: str) -> str:
    """Unix milliseconds at which each alert began to fire, with `title` and the path of its `runbook`.

    ALERTS_FOR_STATE starts again when Prometheus restarts. Here, an alert began when it fired for the first
    time after 10 minutes without it, at most a day ago.
    """
    firing = selector(ALERTS, FIRING, SHIPPED, *matchers)
    began = f"timestamp({firing}) unless last_over_time({firing}[10m] offset 1m)"
    day = f"{firing} * 0 + (time() - 86400)"
    # The steps of the subquery are whole minutes, so it may leave out the present.
    expr = f"1000 * (({began}) or max_over_time(({began})[1d:1m]) and {firing} or {day})"
    for signal, words in SUMMARIES.items():
        expr = with_label(expr, "words", words, "signal", signal)
    # The alerts about the exporter: their names, as words.
    expr = with_label(expr, "words", "Exporter: $1", "alertname", "SessionEndExporter(.+)")
    for _ in range(3):
        expr = with_label(expr, "words", "$1 $2", "words", "(.*[a-z])([A-Z].*)")
    joined = '", "'.join(
        (names.CODE, names.NAME, "words", names.SYSTEM, queries.INSTANCE, queries.CLUSTER)
    )
    expr = f'label_join({expr}, "title", " ", "{joined}")'
    # Without the spaces around missing labels, and without the code "unknown", which its name says.
    for _ in range(2):
        expr = with_label(expr, "title", "$1 $2", "title", "(.*[^ ])  +(.*)")
    expr = with_label(expr, "title", "$1", "title", f" *(?:{names.UNKNOWN} )?(.+?) *")
    expr = f'label_join({expr}, "path", "/", "{names.SYSTEM}", "{names.CODE}")'
    expr = with_label(expr, "runbook", f"{names.ALERTS_PATH}/$1", "alertname", "(.+)")
    return with_label(expr, "runbook", f"{names.CODES_PATH}/$1", "path", "(.+/.+)")
