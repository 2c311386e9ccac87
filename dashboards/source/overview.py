"""Session ends: overview. Is it bad, where, with which codes, and what to do, in this order."""

from typing import Final

from dashboards.source import panels, queries, style
from dashboards.source.layout import BUILDS, Strip, build
from dashboards.source.panels import Columns, bars, graph, number, panel, percent
from dashboards.source.queries import KEYS, SYSTEMS, latest, selector, series, total
from dashboards.source.shared import alert_list, data_state, place_list
from dashboards.source.slo import BUDGET_REMAINING, MET_OR_MISSED, failures_by_owner
from dashboards.source.variables import OF_CODE, SYSTEM
from exporter import names
from exporter.taxonomy.model import PHASES

COUNT: Final = queries.count("1h")
RATIO: Final = queries.failure_ratio("1h")
SPIKES: Final = queries.firing('alertname="SessionEndSpike"', SYSTEMS)
# 0 only for codes that have a baseline.
KNOWN: Final = selector(names.RULE_SHARE, SYSTEMS)


def _firing(severity: str) -> queries.Query:
    matcher = f'{names.SEVERITY}="{severity}"'
    alerts = queries.firing(queries.SHIPPED, matcher, queries.SYSTEMS_OR_NONE)
    return latest(f"count({alerts}) or vector(0)", severity)


NUMBERS: Final = (
    number(
        "Success ratio (1h)",
        "Successes / (successes + failures) in 1h. Green: the objective is met. Red: it is missed.",
        latest(f"1 - ({RATIO} <= {queries.ALLOWED})", "{{cluster}} {{system}}"),
        latest(f"1 - ({RATIO} > {queries.ALLOWED})", "{{cluster}} {{system}}"),
        overrides=MET_OR_MISSED,
        **percent(2),
    ),
    BUDGET_REMAINING,
    number(
        "Codes spiking",
        "Codes with a firing spike alert; the alert list names them. Normal is 0.",
        series(f"count(group by ({KEYS}) ({SPIKES})) or 0 * count({KNOWN})", "codes"),
        steps=style.above(1),
        decimals=0,
    ),
    number(
        "Alerts firing",
        "Pages notify on-call; tickets wait for office hours. Normal is 0 of both.",
        *map(_firing, style.SEVERITIES),
        steps=style.above(1),
        decimals=0,
        overrides=[
            style.by_name(of, {"thresholds": style.thresholds(((None, style.GOOD), (1, color)))})
            for of, color in style.SEVERITIES.items()
        ],
    ),
    number(
        "Sessions ended (1h)",
        f"Session ends of the last hour, with any outcome. Without {queries.REPEATS}. Exact below "
        "10,000, then rounded.",
        latest(f"{queries.ends('1h')} < 10000", "{{system}}"),
        latest(f"{queries.ends('1h')} >= 10000", "{{system}}"),
        # Without decimals the unit `short` rounds to three digits.
        overrides=[style.by_query("A", {"decimals": 0}), style.by_query("B", {"unit": "short"})],
    ),
    data_state(),
)


def _ends(outcome: str) -> queries.Query:
    matcher = f'{names.OUTCOME}="{outcome}"'
    record = selector(names.RULE_COUNT_BY_OUTCOME + "5m", SYSTEMS, matcher)
    return series(f"{total(names.OUTCOME, record)} / 5", "{{outcome}}")


BY_OUTCOME: Final = graph(
    "Ends per minute by outcome (5m)",
    "5-minute averages, stacked. Normal is a thin red line at the bottom. Red shading: a page.",
    # Failures are first: their height is readable only at the bottom of the stack.
    *map(_ends, reversed(style.OUTCOMES)),
    overrides=style.BY_OUTCOME,
    **panels.STACKED,
)


def _by_category() -> str:
    """Categories by their titles in the taxonomy, without "Errors" and a list of codes, or by their names."""
    failures = queries.with_info(COUNT, [names.CATEGORY], queries.FAILURE)
    on = f"{names.SYSTEM}, {names.CATEGORY}"
    counts = f"({total(on, failures)} > 0.5)"
    # Titles of the last hour: the exporter may be down.
    known = f"last_over_time({names.SESSION_END_CATEGORY_INFO}[1h])"
    titled = f"{counts} * on ({on}) group_left ({names.TITLE}) topk by ({on}) (1, {known})"
    plain = queries.with_label(counts, names.TITLE, "$1", names.CATEGORY, "(.+)")
    title = f"({titled} or on ({on}) {plain})"
    short = queries.with_label(
        title, names.TITLE, "$1", names.TITLE, "(.+?)(?: [Ee]rrors)?(?: [(].*[)])?"
    )
    return f"sort_desc({total(names.TITLE, short)})"


def _of_phase(phase: str) -> queries.Query:
    # Reads the counters: an event may name another phase than the phase of its code.
    matchers = (SYSTEMS, queries.FAILURE, f'{names.PHASE}="{phase}"')
    expr = queries.counted("increase", names.SESSION_ENDS, matchers, "1h", names.PHASE)
    # Grafana draws an edge even at 0.
    return latest(f"{expr} > 0.5", style.title(phase))


BREAKDOWN: Final = (
    bars(
        "Failures by category (1h)",
        "Failures of the last hour by the category of their codes, largest first. "
        f"Without {queries.REPEATS}.",
        latest(_by_category(), "{{title}}"),
        overrides=style.TITLES,
    ),
    bars(
        "Failures by phase (1h)",
        f"Failures of the last hour by session phase, in lifecycle order. With {queries.REPEATS}: the "
        "sum may exceed that of the categories.",
        # A query per phase keeps their order.
        *map(_of_phase, (*PHASES, names.UNKNOWN)),
    ),
    failures_by_owner("1h", COUNT),
    place_list("Failures by label value (1h)", "Failures", f"{SYSTEMS}, {queries.FAILURE}"),
)


def _top_codes() -> list[queries.Query]:
    """Query A is the count, B the share, C the multiple of the expected count, D the trend."""
    labels = (names.NAME, names.OWNER, names.OUTCOME)
    # Extrapolation makes 0.98 of a single end.
    top = f"topk(10, {queries.with_info(COUNT, labels, queries.NO_SUCCESS)} > 0.5)"
    rows = f"({top})\n* on ({KEYS}) group_left ({names.FIX}) {queries.newest(names.RULE_CODE_HELP)}"
    # The outcome is part of the title, which saves a column; without "failure", the normal case.
    rows = queries.with_label(rows, names.OUTCOME, "($1)", names.OUTCOME, "(neutral)")
    rows = queries.with_title(rows, names.OUTCOME)
    rows = queries.with_label(rows, "title", "$1", "title", "(.+) failure")
    # The top codes at the end of the time range, also for the trend.
    at_end = total(KEYS, f"{selector(names.RULE_COUNT + '1h', SYSTEMS)} @ end()")
    info = f"{selector(names.RULE_CODE_INFO, SYSTEMS, queries.NO_SUCCESS)} @ end()"
    within = f"\nand on ({KEYS}) topk(10, ({at_end} and on ({KEYS}) {info}) > 0.5)"
    times = f"({COUNT} / {total(KEYS, queries.expected('1h', SYSTEMS))})"
    return [
        queries.rows(rows),
        queries.rows(f"{COUNT} / {queries.ON_SYSTEM} {queries.ends('1h')}{within}"),
        # A decimal only below 100.
        queries.rows(f"(round({times}, 0.1) < 100 or round({times})){within}"),
        series(f"{queries.count('5m')}{within}", "{{code}}"),
    ]


TIMES_EXPECTED: Final = {
    "decimals": 1,
    "custom.width": 95,
    "custom.cellOptions": {"type": "color-text"},
    "thresholds": style.thresholds(style.above(3, warning=1.5)),
}
SPARKLINE: Final = {"type": "sparkline", "hideValue": True}
TOP_COLUMNS: Final[Columns] = {
    names.SYSTEM: ("System", {"custom.width": 95}),
    "title": ("Code", {**style.TEXT, "custom.width": 310, "links": OF_CODE}),
    names.OWNER: ("Owner", {**style.OWNERS, "custom.width": 145}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 85}),
    "Value #B": ("Share", {**percent(1), "custom.width": 70}),
    "Value #C": ("× expected", TIMES_EXPECTED),
    "Trend #D": ("Trend", {"custom.width": 100, "custom.cellOptions": SPARKLINE}),
    names.FIX: ("Fix", {**style.WRAPPED, "custom.minWidth": 340}),
    names.CODE: style.HIDDEN_CODE,
}
# Grafana takes a table with one row for a series.
TREND_ONLY: Final = {"id": "byRefId", "options": "D"}
TOP_CODES: Final = panels.table(
    "Top 10 codes (1h)",
    "Most frequent codes of the last 1h other than success; neutral codes are marked. Share: part of all "
    "ends of the system. × expected: count / expected count, normal is 1. A code links to its dashboard "
    "and runbook.",
    *_top_codes(),
    columns=TOP_COLUMNS,
    transformations=[{"id": "timeSeriesTable", "options": {}, "filter": TREND_ONLY}],
    joined_by=KEYS,
    sort=[("Count", True)],
    empty="No code other than success in the last 1h. If unexpected, see the panel Data.",
)

WORST: Final = queries.with_info(
    queries.WORST_OF_THRESHOLD, [names.NAME], f'{names.SEVERITY}!="none"'
)
# Without any series Grafana writes "Data does not have a time field".
BASELINE: Final = f"group({selector(names.RULE_THRESHOLD + '5m', SYSTEMS)} @ end())"
NOTHING: Final = queries.with_label("vector(-1)", names.NAME, "No code has a baseline yet")
THRESHOLDS_BY_CODE: Final = panel(
    "state-timeline",
    "Count against threshold, $system",
    "Largest ratio of count to spike threshold over 5m, 15m and 1h. Green: below 50 %. Orange: above "
    "50 %. Red: above the threshold. Codes with severity none are left out.",
    # The space keeps the longest label away from the edge.
    series(f"{WORST}\nor on () ({NOTHING} unless on () {BASELINE})", "\u2002{{code}} {{name}}"),
    # 0: no pages. A page number would be shown even for a single page.
    options={"showValue": "never", "rowHeight": 0.85, "perPage": 0},
    custom={"fillOpacity": 80},
    steps=((None, style.OUTCOMES["neutral"]), *style.above(1, warning=0.5)[1:]),
    **percent(0),
) | {
    # A week in steps of 10 minutes takes Prometheus 1.4 s, in 300 steps 0.4 s.
    "maxDataPoints": 300,
    "repeat": names.SYSTEM,
    **panels.REPEATED,
}
DASHBOARD: Final = build(
    "session-ends",
    "Session ends: overview",
    "Are sessions ending well? If not: with which codes, where, and what is the fix?",
    {
        "": [
            Strip(4, NUMBERS, (6, 5, 3, 4, 4, 2)),
            Strip(6, [BY_OUTCOME, alert_list(queries.SYSTEMS_OR_NONE)]),
        ],
        "Where": [Strip(10, BREAKDOWN, (5, 5, 5, 9))],
        # Ten rows of two lines each.
        "Codes": [Strip(23, [TOP_CODES])],
        "Codes against thresholds": [Strip(20, [THRESHOLDS_BY_CODE])],
    },
    [SYSTEM],
    BUILDS,
    alerts=[f'{names.SEVERITY}="page"', queries.SYSTEMS_OR_NONE],
    range="now-6h",
)
