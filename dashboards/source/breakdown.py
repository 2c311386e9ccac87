"""Failures over time and by category, phase, owner and label; every code against its threshold."""

from typing import Final

from dashboards.source import queries
from dashboards.source.panels import Panel, bars, graph, percent, states
from dashboards.source.queries import FAILURE, SYSTEMS, Query, selector, total, with_info
from dashboards.source.style import BAD, BY_OUTCOME, OUTCOMES, above
from exporter import names

PHASES: Final = ("pre_session", "connect", "handshake", "stream", "keep_alive", names.UNKNOWN)
"""In the order of a session's life."""


def by_outcome() -> Panel:
    """Ends over time. Failures are first: at the bottom their height can be read."""

    def ends(outcome: str) -> Query:
        matcher = f'{names.OUTCOME}="{outcome}"'
        record = selector(names.RULE_COUNT_BY_OUTCOME + "5m", SYSTEMS, matcher)
        return Query(f"{total(names.OUTCOME, record)} / 5", "{{outcome}}")

    return graph(
        "Ends per minute by outcome (5m)",
        "5-minute averages, stacked. Normal is a thin red line at the bottom. Red shading: a page was "
        "firing.",
        *map(ends, reversed(OUTCOMES)),
        stacked=True,
        overrides=BY_OUTCOME,
    )


def breakdowns() -> list[Panel]:
    """Failures by category, by phase and by owner."""
    count = selector(names.RULE_COUNT + "1h", SYSTEMS)
    by_phase = bars(
        "Failures by phase (1h)",
        "Failures of the last hour by session phase, in lifecycle order. Phases in which the chosen systems "
        "cannot fail are left out.",
        *map(_phase, PHASES),
        color=BAD,
        decimals=0,
        empty="No data: Prometheus scrapes no exporter.",
    )
    by_category, by_owner = (
        failures_by(label, "1h", count) for label in (names.CATEGORY, names.OWNER)
    )
    return [by_category, by_phase, by_owner]


def _phase(phase: str) -> Query:
    """A query per phase keeps the order of phases. From the counters, because an event may name another
    phase than its code's."""
    matchers = (SYSTEMS, FAILURE, f'{names.PHASE}="{phase}"')
    expr = queries.counted("increase", names.SESSION_ENDS, matchers, "1h", names.PHASE)
    return Query(expr, "{{phase}}", instant=True)


def failures_by(label: str, window: str, counts: str, empty: str = "") -> Panel:
    """Failures by a label of their codes; `counts` are the ends of each code."""
    failures = total(label, with_info(counts, (label,), FAILURE))
    return bars(
        f"Failures by {label} ({window})",
        f"Failures of {window} by the {label} of the code, largest first.",
        Query(f"sort_desc({failures})", f"{{{{{label}}}}}", instant=True),
        color=BAD,
        decimals=0,
        empty=empty,
    )


def thresholds_by_code() -> Panel:
    """A bar for every code that can alert, repeated for every chosen system."""
    worst = queries.worst_of_threshold()
    panel = states(
        "Count against threshold, $system",
        "Largest ratio of count to spike threshold over 5m, 15m and 1h. Green: below 50 %. Orange: above "
        "50 %. Red: above the threshold. Codes with severity none are left out.",
        Query(with_info(worst, [names.NAME], f'{names.SEVERITY}!="none"'), "{{code}} {{name}}"),
        steps=above(1, warning=0.5),
        empty="No data: no code has a baseline yet, or the recording rules are not loaded.",
        **percent(0),
    )
    panel.repeat, panel.repeat_direction, panel.max_per_row = names.SYSTEM, "h", 2
    return panel


def by_label() -> Panel:
    """Failures by a configured label."""
    rate = queries.per_minute(names.SESSION_ENDS, "$label", SYSTEMS, FAILURE)
    return graph(
        "Failures per minute by $label",
        "Failures by the label chosen above (exporter setting `labels`). A value far above the others "
        "points to a region, project or build.",
        Query(rate, "{{$label}}", exemplars=True),
        empty="No data: no failures, or the exporter's setting `labels` keeps no label.",
    )
