"""Failures over time and by category, phase, owner and label; every code against its threshold."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.empty import NO_RULES
from dashboards.source.panels import About, Query
from dashboards.source.queries import (
    FAILURE,
    SYSTEMS,
    counted,
    per_minute,
    selector,
    total,
    with_words,
    worst_of_threshold,
)
from dashboards.source.style import BAD, OUTCOMES, above, outcomes
from exporter import names

WINDOW: Final = "1h"
PHASES: Final = ("pre_session", "connect", "handshake", "stream", "keep_alive", names.UNKNOWN)
"""In the order of a session's life."""


def by_outcome() -> models.Panel:
    """Ends over time."""
    about = About(
        title="Ends per minute by outcome (5m)",
        description="Averages of 5 minutes, stacked. On an ordinary day failures are a thin red line at "
        "the bottom. Red shades are times in which a page fired.",
        empty=NO_RULES,
    )
    queries = []
    # Failures first: at the bottom their height can be read.
    for outcome in reversed(tuple(OUTCOMES)):
        matcher = f'{names.OUTCOME}="{outcome}"'
        record = selector(names.RULE_COUNT_BY_OUTCOME + "5m", SYSTEMS, matcher)
        queries.append(Query(f"{total(names.OUTCOME, record)} / 5", "{{outcome}}"))
    return panels.graph(about, queries, outcomes(), stacked=True)


def breakdowns() -> Sequence[models.Panel]:
    """Failures by category, by phase and by owner."""
    category = About(
        title=f"Failures by category ({WINDOW})",
        description=f"Failures of the last {WINDOW} by the category of the code, the most first.",
        empty=NO_RULES,
        decimals=0,
    )
    phase = About(
        title=f"Failures by phase ({WINDOW})",
        description=f"Failures of the last {WINDOW} by the phase of the session, in the order of a "
        "session's life. Phases in which the chosen systems cannot fail are left out.",
        empty="No data: Prometheus scrapes no exporter.",
        decimals=0,
    )
    owner = About(
        title=f"Failures by owner ({WINDOW})",
        description=f"Failures of the last {WINDOW} by the owner of the code, the most first.",
        empty=NO_RULES,
        decimals=0,
    )
    return (
        panels.bars(category, [_by(names.CATEGORY)], BAD),
        panels.bars(phase, [_phase(phase) for phase in PHASES], BAD),
        panels.bars(owner, [_by(names.OWNER)], BAD),
    )


def _by(label: str) -> Query:
    count = selector(names.RULE_COUNT + WINDOW, SYSTEMS)
    failures = total(label, with_words(count, (label,), FAILURE))
    return Query(f"sort_desc({failures})", f"{{{{{label}}}}}", now=True)


def _phase(phase: str) -> Query:
    """A query per phase keeps the order of phases. From the counters, because an event may name another
    phase than its code's."""
    matchers = (SYSTEMS, FAILURE, f'{names.PHASE}="{phase}"')
    expr = counted("increase", names.SESSION_ENDS, matchers, WINDOW, names.PHASE)
    return Query(expr, "{{phase}}", now=True)


def thresholds_by_code() -> models.Panel:
    """A bar for every code that can alert, repeated for every chosen system."""
    about = About(
        title="Count against threshold, $system",
        description="The count of each code as a part of its threshold, in the worst of the windows of a "
        "spike. Green is below half of the threshold, orange above half, red above the threshold. "
        "Codes with severity none are left out.",
        empty="No code has a threshold yet: thresholds begin with the first evaluations of the rules.",
        unit="percentunit",
        decimals=0,
    )
    expr = with_words(worst_of_threshold(SYSTEMS), (names.NAME,), f'{names.SEVERITY}!="none"')
    panel = panels.states(about, [Query(expr, "{{code}} {{name}}")], above(1, warning=0.5))
    panel.repeat, panel.repeat_direction, panel.max_per_row = names.SYSTEM, "h", 2
    return panel


def by_label() -> models.Panel:
    """Failures by a configured label."""
    about = About(
        title="Failures per minute by $label",
        description="Failures by the label chosen at the top, of the labels that the exporter's setting "
        "`labels` keeps. A value far above the others points at a region, a project or a build.",
        empty="No data: no failures, or the exporter's setting `labels` keeps no label.",
    )
    rate = per_minute(names.SESSION_ENDS, "$label", SYSTEMS, FAILURE)
    return panels.graph(about, [Query(rate, "{{$label}}", exemplars=True)])
