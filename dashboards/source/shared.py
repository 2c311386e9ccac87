"""Panels that several dashboards show: state of the data, alert list, breakdown by label value."""

from typing import Final

from dashboards.source import panels, queries, style
from dashboards.source.panels import Columns, Panel
from dashboards.source.queries import CLUSTER, SYSTEMS, latest, legend, selector, total, with_label
from dashboards.source.variables import CODE_UID, cell, to_dashboard, to_runbook
from exporter import names

PRESENT: Final = {
    "No exporter": f"last_over_time({names.BUILD_INFO}[5m])",
    "No rules": names.RULE_CODE_INFO,
    "No traffic": f"(sum({names.RULE_COUNT}1h) > 0)",
}
"""The series whose absence means each state."""
STATES: Final = (*PRESENT, "Complete")
"""The texts of the values 1, 2, 3 and 4 of the panel Data."""


def data_state(states: int = len(STATES)) -> Panel:
    """`states` are 2 on a dashboard that reads no rules: the exporter is there or not."""
    missing = [
        f"(vector({value}) unless on () group({present}))"
        for value, present in enumerate([*PRESENT.values()][: states - 1], start=1)
    ]
    expr = "\nor on () ".join([*missing, f"vector({len(STATES)})"])
    color = dict.fromkeys(STATES, "orange") | {"Complete": "text"}
    shown = {str(i): {"text": text, "color": color[text]} for i, text in enumerate(STATES, start=1)}
    return panels.number(
        "Data",
        "Why other panels may be empty. No exporter: Prometheus scrapes none. No rules: Prometheus has not "
        "loaded rules/*.yml, or has not evaluated them yet. No traffic: no session ended in the last hour.",
        latest(expr, "state"),
        options={**panels.NUMBER, "text": {"valueSize": 16}},
        **style.mappings(shown),
    )


# --- alert list ----------------------------------------------------------------------------------------

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
DASHBOARDS: Final = {
    "(?:stopped|queue)/(.+)/": f"session-ends?var-{names.SYSTEM}=$1&",
    "budget/(.+)/": f"session-ends-slo?var-{names.SYSTEM}=$1&",
    ".+?/(.+)/(.+)": f"{CODE_UID}?var-{names.SYSTEM}=$1&var-{names.CODE}=$2&",
    "exporter/.*": "session-end-exporter?",
}
"""The dashboard of an alert by its signal/system/code: the same as in its notification.

The link of an alert without a code leaves the variable code out: Grafana would keep the "–" of an empty cell.
"""
ALERT_COLUMNS: Final[Columns] = {
    names.SEVERITY: (
        "Severity",
        {
            **style.mappings({name: {"color": color} for name, color in style.SEVERITIES.items()}),
            "custom.cellOptions": {"type": "color-text"},
            "custom.width": 95,
        },
    ),
    "title": (
        "Alert",
        {
            **style.TEXT,
            "custom.minWidth": 350,
            "links": [to_dashboard(cell("dashboard")), to_runbook(cell("runbook"))],
        },
    ),
    "Value": ("Since", {"unit": "dateTimeFromNow", "custom.width": 140}),
    "dashboard": ("dashboard", style.HIDDEN_TEXT),
    "runbook": ("runbook", style.HIDDEN_TEXT),
}


def alert_list(matcher: str) -> Panel:
    """The value is the time at which an alert began to fire, in Unix milliseconds."""
    # ALERTS_FOR_STATE starts again when Prometheus restarts. Here, an alert began when it fired for the first
    # time after 10 minutes without it, at most a day ago.
    firing = queries.firing(queries.SHIPPED, matcher)
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
    joined = '", "'.join((names.CODE, names.NAME, "words", names.SYSTEM, queries.INSTANCE, CLUSTER))
    expr = f'label_join({expr}, "title", " ", "{joined}")'
    # Without the spaces around missing labels, and without the code "unknown", which its name says.
    for _ in range(2):
        expr = with_label(expr, "title", "$1 $2", "title", "(.*[^ ])  +(.*)")
    expr = with_label(expr, "title", "$1", "title", f" *(?:{names.UNKNOWN} )?(.+?) *")
    expr = f'label_join({expr}, "path", "/", "signal", "{names.SYSTEM}", "{names.CODE}")'
    for path, dashboard in DASHBOARDS.items():
        expr = with_label(expr, "dashboard", dashboard, "path", path)
    expr = with_label(expr, "runbook", f"{names.ALERTS_PATH}/$1", "alertname", "(.+)")
    expr = with_label(expr, "runbook", f"{names.CODES_PATH}/$1", "path", ".+?/(.+/.+)")
    return panels.table(
        "Alert list",
        "Firing alerts, pages first. Pages notify on-call; tickets wait for office hours. An alert links "
        "to its runbook and to its dashboard.",
        queries.rows(expr),
        columns=ALERT_COLUMNS,
        sort=[("Severity", False), ("Since", True)],
        empty="No alert is firing. Without rules none can fire: see the panel Data.",
    )


# --- breakdown: the regions, projects or builds of the ends, from the configured labels ------------------

NO_LABELS: Final = "No data: no such ends, or the exporter's setting labels is empty."
PLACE: Final = f"{names.LABEL}, {names.VALUE}"
PLACE_COLUMNS: Final[Columns] = {
    names.LABEL: ("Label", {**style.TEXT, "custom.width": 100}),
    names.VALUE: ("Value", {**style.TEXT, "custom.minWidth": 100}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 85}),
    "Value #B": ("Share", {**panels.percent(0), "custom.width": 75}),
    "Value #C": ("Of all ends", {**panels.percent(0), "custom.width": 90}),
}


def place_list(title: str, noun: str, matchers: str) -> Panel:
    """A row for each value of each label; `matchers` select the ends."""
    some, every = (_counts("1h", PLACE, chosen) for chosen in (matchers, SYSTEMS))
    top = f"topk(12, {some} > 0.5)"
    shares = (
        f"{part} / on ({names.LABEL}) group_left () ({total(names.LABEL, f'({part})')} > 0)"
        for part in (some, every)
    )
    return panels.table(
        title,
        f"{noun} of the last hour by each label in the exporter's setting labels. With {queries.REPEATS}. A "
        "share far above the value's share of all ends points to a region, project or build.",
        queries.rows(top),
        *(queries.rows(f"{share}\nand on ({PLACE}) {top}") for share in shares),
        columns=PLACE_COLUMNS,
        joined_by=PLACE,
        sort=[("Share", True)],
        empty=NO_LABELS,
    )


def by_value(matchers: str) -> Panel:
    """A graph for each label. Ends without the label are the rest of all ends."""
    ends = _counts("5m", names.VALUE, f'{matchers}, {names.LABEL}="$label"')
    every = queries.counted("increase", names.SESSION_ENDS, [matchers], "5m", names.SYSTEM)
    rest = f"(sum({every}) - (sum({ends}) or vector(0))) / 5 > 0.01"
    panel = panels.graph(
        "Ends per minute by $label (5m)",
        "5-minute averages of the ends with this code, stacked: the height is their sum. "
        f"With {queries.REPEATS}.",
        queries.series(f"{ends} / 5", legend(names.VALUE)),
        queries.series(with_label(rest, names.VALUE, "(none)"), legend(names.VALUE)),
        color=panels.BY_NAME,
        empty=NO_LABELS,
        **panels.STACKED,
    )
    return panel | {"repeat": "label", **panels.REPEATED}


def _counts(window: str, by: str, matchers: str) -> str:
    """Ends by label values. Replicas of one ledger, and copies of one series, count once."""
    series = f"{CLUSTER}, {names.LEDGER}, {names.SYSTEM}, {names.CODE}, {names.OUTCOME}, {PLACE}"
    increase = f"increase({selector(names.SESSION_ENDS_BY_LABEL, matchers)}[{window}])"
    return total(by, f"max by ({series}) ({increase})")
