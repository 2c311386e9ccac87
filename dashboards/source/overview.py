"""Session ends: overview. Is it bad, where, with which codes, and what to do, in this order."""

from typing import Final

from dashboards.source import panels, queries, style
from dashboards.source.layout import Dashboard, Strip, build
from dashboards.source.panels import Panel
from dashboards.source.queries import KEYS, SYSTEMS, SYSTEMS_OR_NONE, Query, selector, total
from dashboards.source.shared import alert_list, data_state, place_list
from dashboards.source.slo import MET_OR_MISSED, budget_remaining, failures_by_owner
from dashboards.source.variables import OF_CODE, system
from exporter import names
from exporter.taxonomy.model import PHASES

COUNT: Final = queries.count("1h")
TOP_COLUMNS: Final[panels.Columns] = {
    names.SYSTEM: ("System", {"custom.width": 95}),
    "title": ("Code", {**style.TEXT, "custom.width": 310, "links": OF_CODE}),
    names.OWNER: ("Owner", {**style.OWNERS, "custom.width": 145}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 85}),
    "Value #B": ("Share", {**panels.percent(1), "custom.width": 70}),
    "Value #C": (
        "× expected",
        {
            "decimals": 1,
            "custom.width": 95,
            "custom.cellOptions": {"type": "color-text"},
            "thresholds": style.thresholds(style.above(3, warning=1.5)),
        },
    ),
    "Trend #D": (
        "Trend",
        {"custom.width": 100, "custom.cellOptions": {"type": "sparkline", "hideValue": True}},
    ),
    names.FIX: ("Fix", {**style.WRAPPED, "custom.minWidth": 340}),
}


def dashboard() -> Dashboard:
    first = (
        Strip(4, [_success_ratio(), budget_remaining(), *_counts()], (6, 5, 3, 4, 4, 2)),
        Strip(6, [_by_outcome(), alert_list(SYSTEMS_OR_NONE)]),
    )
    places = place_list("Failures by label value (1h)", "Failures", f"{SYSTEMS}, {queries.FAILURE}")
    breakdown = [_by_category(), _by_phase(), failures_by_owner("1h", COUNT), places]
    return build(
        "session-ends",
        "Session ends: overview",
        "Are sessions ending well? If not: with which codes, where, and what is the fix?",
        {
            "": first,
            "Where": [Strip(10, breakdown, (5, 5, 5, 9))],
            # Ten rows of two lines each.
            "Codes": [Strip(23, [_top_codes()])],
            "Codes against thresholds": [Strip(20, [_thresholds_by_code()])],
        },
        [system()],
        alerts=[f'{names.SEVERITY}="page"', SYSTEMS_OR_NONE],
        range="now-6h",
        builds=True,
    )


def _success_ratio() -> Panel:
    ratio = queries.failure_ratio("1h")
    return panels.number(
        "Success ratio (1h)",
        "Successes / (successes + failures) in 1h. Green: the objective is met. Red: it is missed.",
        Query(f"1 - ({ratio} <= {queries.ALLOWED})", "{{cluster}} {{system}}", instant=True),
        Query(f"1 - ({ratio} > {queries.ALLOWED})", "{{cluster}} {{system}}", instant=True),
        overrides=MET_OR_MISSED,
        **panels.percent(2),
    )


def _counts() -> list[Panel]:
    spikes = selector(queries.ALERTS, queries.FIRING, 'alertname="SessionEndSpike"', SYSTEMS)
    # 0 only for codes that have a baseline.
    known = selector(names.RULE_SHARE, SYSTEMS)
    return [
        panels.number(
            "Codes spiking",
            "Codes with a firing spike alert; the alert list names them. Normal is 0.",
            Query(f"count(group by ({KEYS}) ({spikes})) or 0 * count({known})", "codes"),
            steps=style.above(1),
            decimals=0,
        ),
        panels.number(
            "Alerts firing",
            "Pages notify on-call; tickets wait for office hours. Normal is 0 of both.",
            *map(_firing, style.SEVERITIES),
            steps=style.above(1),
            decimals=0,
            overrides=[
                style.by_name(
                    severity, {"thresholds": style.thresholds(((None, style.GOOD), (1, color)))}
                )
                for severity, color in style.SEVERITIES.items()
            ],
        ),
        panels.number(
            "Sessions ended (1h)",
            f"Session ends of the last hour, with any outcome. Without {queries.REPEATS}. Exact below "
            "10,000, then rounded.",
            Query(f"{queries.ends('1h')} < 10000", "{{system}}", instant=True),
            Query(f"{queries.ends('1h')} >= 10000", "{{system}}", instant=True),
            decimals=0,
            # Without decimals the unit rounds to three digits.
            overrides=[style.by_query("B", {"unit": "short", "decimals": None})],
        ),
        data_state(),
    ]


def _firing(severity: str) -> Query:
    matcher = f'{names.SEVERITY}="{severity}"'
    alerts = selector(queries.ALERTS, queries.FIRING, queries.SHIPPED, matcher, SYSTEMS_OR_NONE)
    return Query(f"count({alerts}) or vector(0)", severity, instant=True)


def _by_outcome() -> Panel:
    """Failures are first: their height is readable only at the bottom of the stack."""

    def ends(outcome: str) -> Query:
        matcher = f'{names.OUTCOME}="{outcome}"'
        record = selector(names.RULE_COUNT_BY_OUTCOME + "5m", SYSTEMS, matcher)
        return Query(f"{total(names.OUTCOME, record)} / 5", "{{outcome}}")

    return panels.graph(
        "Ends per minute by outcome (5m)",
        "5-minute averages, stacked. Normal is a thin red line at the bottom. Red shading: a page.",
        *map(ends, reversed(style.OUTCOMES)),
        stacked=True,
        calcs=(),
        overrides=style.BY_OUTCOME,
    )


def _by_category() -> Panel:
    """Categories by their titles in the taxonomy, without "Errors" and a list of codes, or by their names."""
    failures = queries.with_info(COUNT, [names.CATEGORY], queries.FAILURE)
    counts = f"{total(f'{names.SYSTEM}, {names.CATEGORY}', failures)} > 0.5"
    # Titles of the last hour: the exporter may be down.
    known = f"last_over_time({names.SESSION_END_CATEGORY_INFO}[1h])"
    on = f"{names.SYSTEM}, {names.CATEGORY}"
    titled = f"({counts}) * on ({on}) group_left ({names.TITLE}) topk by ({on}) (1, {known})"
    plain = queries.with_label(f"({counts})", names.TITLE, "$1", names.CATEGORY, "(.+)")
    title = f"({titled} or on ({on}) {plain})"
    short = queries.with_label(
        title, names.TITLE, "$1", names.TITLE, "(.+?)(?: [Ee]rrors)?(?: [(].*[)])?"
    )
    return panels.bars(
        "Failures by category (1h)",
        "Failures of the last hour by the category of their codes, largest first. "
        f"Without {queries.REPEATS}.",
        Query(f"sort_desc({total(names.TITLE, short)})", "{{title}}", instant=True),
        overrides=style.TITLES,
    )


def _by_phase() -> Panel:
    """A query per phase, which keeps the order of the phases."""

    def failures(phase: str) -> Query:
        # Reads the counters: an event may name another phase than the phase of its code.
        matchers = (SYSTEMS, queries.FAILURE, f'{names.PHASE}="{phase}"')
        expr = queries.counted("increase", names.SESSION_ENDS, matchers, "1h", names.PHASE)
        # Grafana draws an edge even at 0.
        return Query(f"{expr} > 0.5", style.title(phase), instant=True)

    return panels.bars(
        "Failures by phase (1h)",
        f"Failures of the last hour by session phase, in lifecycle order. With {queries.REPEATS}: the "
        "sum may exceed that of the categories.",
        *map(failures, (*PHASES, names.UNKNOWN)),
    )


def _top_codes() -> Panel:
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
    return panels.table(
        "Top 10 codes (1h)",
        "Most frequent codes of the last 1h other than success; neutral codes are marked. Share: part of all "
        "ends of the system. × expected: count / expected count, normal is 1. A code links to its dashboard "
        "and runbook.",
        queries.rows(rows),
        queries.rows(f"{COUNT} / {queries.ON_SYSTEM} {queries.ends('1h')}{within}"),
        # A decimal only below 100.
        queries.rows(f"(round({times}, 0.1) < 100 or round({times})){within}"),
        Query(f"{queries.count('5m')}{within}", "{{code}}"),
        columns=TOP_COLUMNS,
        # For the trend only: Grafana takes a table with one row for a series.
        transformations=[panels.transformation("timeSeriesTable", query="D")],
        joined_by=KEYS,
        dropped=[names.NAME, names.OUTCOME],
        hidden=[style.HIDDEN_CODE],
        sort=[("Count", True)],
        empty="No code other than success in the last 1h. If unexpected, see the panel Data.",
    )


def _thresholds_by_code() -> Panel:
    worst = queries.with_info(
        queries.worst_of_threshold(), [names.NAME], f'{names.SEVERITY}!="none"'
    )
    # Without any series Grafana writes "Data does not have a time field".
    baseline = f"group({selector(names.RULE_THRESHOLD + '5m', SYSTEMS)} @ end())"
    nothing = queries.with_label("vector(-1)", names.NAME, "No code has a baseline yet")
    panel = panels.states(
        "Count against threshold, $system",
        "Largest ratio of count to spike threshold over 5m, 15m and 1h. Green: below 50 %. Orange: above "
        "50 %. Red: above the threshold. Codes with severity none are left out.",
        # The space keeps the longest label away from the edge.
        Query(f"{worst}\nor on () ({nothing} unless on () {baseline})", "\u2002{{code}} {{name}}"),
        steps=((None, style.OUTCOMES["neutral"]), *style.above(1, warning=0.5)[1:]),
        **panels.percent(0),
    )
    return panels.repeated(panel, names.SYSTEM)
