"""Session ends: overview. Ratios, breakdowns, top codes and alerts; the first 22 rows fill a screen."""

from typing import Final

from dashboards.source import panels, queries, style
from dashboards.source.alert_list import alert_list
from dashboards.source.layout import Dashboard, Section, Strip, build
from dashboards.source.links import to_code, to_code_runbook
from dashboards.source.panels import Panel
from dashboards.source.queries import (
    FAILURE,
    KEYS,
    SYSTEMS,
    SYSTEMS_OR_NONE,
    Query,
    selector,
    total,
)
from dashboards.source.slo import MET_OR_MISSED, budget_remaining, failures_by
from dashboards.source.variables import label, system
from exporter import names

PHASES: Final = ("pre_session", "connect", "handshake", "stream", "keep_alive", names.UNKNOWN)
"""In lifecycle order."""
TOP_COLUMNS: Final[panels.Columns] = {
    "title": ("Code", {**style.TEXT, "custom.width": 230, "links": [to_code(names.SYSTEM)]}),
    names.OUTCOME: ("Outcome", {**style.value_colors(style.OUTCOMES), "custom.width": 75}),
    names.OWNER: ("Owner", {"custom.width": 130}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 65}),
    "Value #B": ("Share", {"unit": "percentunit", "decimals": 1, "custom.width": 70}),
    "Value #C": (
        "× expected",
        {
            "decimals": 1,
            "custom.width": 85,
            "custom.cellOptions": {"type": "color-text"},
            "thresholds": style.thresholds(style.above(3, warning=1.5)),
        },
    ),
    "Trend #D": (
        "Trend",
        {"custom.width": 130, "custom.cellOptions": {"type": "sparkline", "hideValue": True}},
    ),
    names.FIX: (
        "Fix",
        {**style.TEXT, "custom.inspect": True, "links": [to_code_runbook(names.SYSTEM)]},
    ),
}


def dashboard() -> Dashboard:
    count = selector(names.RULE_COUNT + "1h", SYSTEMS)
    by_category, by_owner = (
        failures_by(label, "1h", count) for label in (names.CATEGORY, names.OWNER)
    )
    first = (
        Strip(4, [_success_ratio(), budget_remaining(), *_counts()], (6, 6, 4, 4, 4)),
        Strip(8, [_by_outcome(), by_category, _by_phase(), by_owner], (12, 4, 4, 4)),
        Strip(10, [_top_codes(), alert_list(SYSTEMS_OR_NONE)], (16, 8)),
    )
    return build(
        "session-ends",
        "Session ends: overview",
        "Are sessions ending well? If not: where, with which codes, and what is the fix?",
        [
            Section("", first),
            Section("Codes against thresholds", [Strip(20, [_thresholds_by_code()])]),
            Section("Breakdown by label", [Strip(8, [_by_label()])], folded=True),
        ],
        [system(), label()],
        alerts=[f'{names.SEVERITY}="page"', SYSTEMS_OR_NONE],
        range="now-6h",
        builds=True,
    )


def _success_ratio() -> Panel:
    """The color follows from the ratio at the end of the time range."""
    last = f"{selector(names.RULE_ERROR_RATIO + '1h', SYSTEMS)} @ end()"
    ratio = f"(1 - ({queries.failure_ratio('1h')}))\nand {queries.ON_SYSTEM}"
    allowed = f"{queries.ON_SYSTEM} (1 - {queries.OBJECTIVE} @ end())"
    return panels.number(
        "Success ratio (1h)",
        "Successes / (successes + failures) in 1h; neutral ends do not count. Green: the objective "
        "is met. Red: it is missed.",
        Query(f"{ratio} ({last} <= {allowed})", "{{system}}"),
        Query(f"{ratio} ({last} > {allowed})", "{{system}}"),
        sparkline=True,
        empty="No session that counts ended in the last 1h.",
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
            sparkline=True,
            decimals=0,
        ),
        panels.number(
            "Alerts firing",
            "Pages notify on-call; tickets wait for office hours. Normal is 0 of both.",
            *map(_firing, style.SEVERITIES),
            steps=style.above(1),
            decimals=0,
            empty="No data: Prometheus does not answer.",
            overrides=[
                style.by_name(
                    severity,
                    {"thresholds": style.thresholds(((None, style.GOOD), (1, color)))},
                )
                for severity, color in style.SEVERITIES.items()
            ],
        ),
        panels.number(
            "Sessions ended (1h)",
            "All session ends of the last hour, with any outcome.",
            Query(queries.ends("1h"), "{{system}}"),
            sparkline=True,
            decimals=0,
        ),
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
        "5-minute averages, stacked. Normal is a thin red line at the bottom. Red shading: a page was "
        "firing.",
        *map(ends, reversed(style.OUTCOMES)),
        stacked=True,
        overrides=style.BY_OUTCOME,
    )


def _by_phase() -> Panel:
    """A query per phase keeps their order. An event may name another phase than the phase of its code,
    so the queries read the counters."""

    def failures(phase: str) -> Query:
        matchers = (SYSTEMS, FAILURE, f'{names.PHASE}="{phase}"')
        expr = queries.counted("increase", names.SESSION_ENDS, matchers, "1h", names.PHASE)
        return Query(expr, "{{phase}}", instant=True)

    return panels.bars(
        "Failures by phase (1h)",
        "Failures of the last hour by session phase, in lifecycle order. Phases in which the chosen systems "
        "cannot fail are left out.",
        *map(failures, PHASES),
        color=style.BAD,
        decimals=0,
        empty="No data: Prometheus scrapes no exporter.",
    )


def _top_codes() -> Panel:
    """Query A is the count, B the share, C the multiple of the expected count, D the trend."""
    count = selector(names.RULE_COUNT + "1h", SYSTEMS)
    labels = (names.NAME, names.OWNER, names.OUTCOME)
    # Extrapolation makes 0.98 of a single end.
    top = f"topk(10, {queries.with_info(count, labels, queries.NO_SUCCESS)} > 0.5)"
    help_texts = selector(names.RULE_CODE_HELP, SYSTEMS)
    fix = f"({top})\n* on ({KEYS}) group_left ({names.FIX}) {help_texts}"
    # The top codes at the end of the time range, also for the trend.
    at_end = f"{count} @ end() and on ({KEYS}) {queries.code_info(queries.NO_SUCCESS)} @ end()"
    within = f"\nand on ({KEYS}) topk(10, ({at_end}) > 0.5)"
    trend = total(KEYS, selector(names.RULE_COUNT + "5m", SYSTEMS))
    return panels.table(
        "Top 10 codes (1h)",
        "Most frequent codes of the last 1h other than success. Share: part of all ends of the "
        "system. × expected: count / expected count, normal is 1. A code links to its dashboard, a fix to "
        "its runbook.",
        queries.rows(queries.with_title(fix)),
        queries.rows(queries.share("1h", SYSTEMS) + within),
        queries.rows(f"{count} / ({queries.expected('1h', SYSTEMS)}){within}"),
        Query(trend + within, "{{code}}"),
        columns=TOP_COLUMNS,
        # For the trend only: Grafana takes a panels.table with one row for a series.
        transformations=[panels.transformation("timeSeriesTable", query="D"), *panels.MERGED],
        dropped=[names.NAME],
        hidden=[style.HIDDEN_SYSTEM, style.HIDDEN_CODE],
        sort="Count",
        empty="No session ended with a code other than success in the last 1h.",
    )


def _thresholds_by_code() -> Panel:
    worst = queries.worst_of_threshold()
    panel = panels.states(
        "Count against threshold, $system",
        "Largest ratio of count to spike threshold over 5m, 15m and 1h. Green: below 50 %. Orange: above "
        "50 %. Red: above the threshold. Codes with severity none are left out.",
        Query(
            queries.with_info(worst, [names.NAME], f'{names.SEVERITY}!="none"'), "{{code}} {{name}}"
        ),
        steps=style.above(1, warning=0.5),
        empty="No data: no code has a baseline yet, or the recording rules are not loaded.",
        **panels.percent(0),
    )
    return panel | {"repeat": names.SYSTEM, "repeatDirection": "h", "maxPerRow": 2}


def _by_label() -> Panel:
    rate = queries.per_minute(names.SESSION_ENDS, "$label", SYSTEMS, FAILURE)
    return panels.graph(
        "Failures per minute by $label",
        "Failures by the label chosen above (exporter setting `labels`). A value far above the others "
        "points to a region, project or build.",
        Query(rate, "{{$label}}", exemplars=True),
        empty="No data: no failures, or the exporter's setting `labels` keeps no label.",
    )
