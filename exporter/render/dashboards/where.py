"""Since when, what kind, in which phase, whose job: the overview's middle, and every code's limit."""

from collections.abc import Sequence

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import panels
from exporter.render.dashboards.empty import NO_RULES
from exporter.render.dashboards.looks import (
    BAD,
    OUTCOMES,
    above,
    outcomes,
)
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import (
    FAILURE,
    SYSTEMS,
    counted,
    of,
    of_limit,
    per_minute,
    summed,
    with_meaning,
)
from exporter.render.pack import Pack
from exporter.render.promql import number
from exporter.taxonomy.model import PHASES


def since_when(pack: Pack) -> models.Panel:
    """Ends over time: when it began, and how much of all it is."""
    window = pack.policy.limit.windows[0].window
    about = About(
        title="Since when? Ends per minute by outcome",
        reading=f"Averages of {window}, stacked. Failures are a thin red line at the bottom on an "
        "ordinary day; red shades are times in which a page fired.",
        empty=NO_RULES,
    )
    per_minute = f"/ {number(window.seconds / 60)}"
    return panels.graph(
        about,
        [
            Query(
                f"{summed(names.OUTCOME, of(names.RULE_COUNT + window, SYSTEMS, matcher))} {per_minute}",
                "{{outcome}}",
            )
            # Failures first, at the bottom, where their height can be read.
            for matcher in (f'{names.OUTCOME}="{outcome}"' for outcome in reversed(tuple(OUTCOMES)))
        ],
        outcomes(),
        stacked=True,
    )


def places(pack: Pack) -> Sequence[models.Panel]:
    """What kind, which phase, whose job: the failures of the longest window that pages, three ways."""
    window = pack.policy.limit.windows[-1].window
    failures = of(names.RULE_COUNT + window, SYSTEMS, FAILURE)
    category = About(
        title=f"What kind? Failures, {window}",
        reading=f"Failures of the last {window} by category, the most first.",
        empty=NO_RULES,
        decimals=0,
    )
    phase = About(
        title=f"In which phase? Failures, {window}",
        reading=f"Failures of the last {window} by where in its life the session was, in the order of "
        "that life; only phases in which this system can fail.",
        empty="No data: Prometheus has no exporter.",
        decimals=0,
    )
    owner = About(
        title=f"Whose job? Failures, {window}",
        reading=f"Failures of the last {window} by who acts on them, the most first.",
        empty=NO_RULES,
        decimals=0,
    )
    by_owner = summed(
        names.OWNER, with_meaning(summed(f"{names.SYSTEM}, {names.CODE}", failures), names.OWNER)
    )
    return (
        panels.bars(
            category,
            [Query(f"sort_desc({summed(names.CATEGORY, failures)})", "{{category}}", now=True)],
            OUTCOMES["failure"],
        ),
        panels.bars(phase, [_phase(one, window) for one in (*PHASES, names.UNKNOWN)], BAD),
        panels.bars(owner, [Query(f"sort_desc({by_owner})", "{{owner}}", now=True)], BAD),
    )


def _phase(phase: str, window: str) -> Query:
    """A query each, because the order of one query's series is the alphabet's. Counted and not recorded:
    an event may name another phase than its code's."""
    matchers = (SYSTEMS, FAILURE, f'{names.PHASE}="{phase}"')
    expr = counted("increase", names.SESSION_ENDS, matchers, window, names.PHASE)
    return Query(expr, "{{phase}}", now=True)


def every_limit(pack: Pack) -> models.Panel:
    """A line for every code that can alert, repeated for every chosen system."""
    about = About(
        title="Which codes are near their limit, and since when? $system",
        reading="The count of each code as a part of its limit, in the worst of the windows that page. "
        "Green is below half of the limit, orange above half, red above the limit. Codes that never "
        "alert have no limit and are not here.",
        empty="No code has a limit yet: limits begin with the recording rules' first evaluations.",
        unit="percentunit",
        decimals=0,
    )
    expr = with_meaning(of_limit(pack.policy, SYSTEMS), names.NAME)
    panel = panels.states(about, [Query(expr, "{{code}} {{name}}")], above(1, warning=0.5))
    panel.repeat, panel.repeat_direction, panel.max_per_row = names.SYSTEM, "h", 2
    return panel


def by_label() -> models.Panel:
    """Failures by whatever label the installation keeps."""
    about = About(
        title="Which $label fails? Failures per minute",
        reading="Failures by the label chosen at the top, out of those that the exporter's settings "
        "keep (`labels`). One value far above the others points at a region, a project or a build.",
        empty="No data: no failures, or no label is chosen because the exporter's settings keep none.",
    )
    rate = per_minute(names.SESSION_ENDS, "$label", SYSTEMS, FAILURE)
    return panels.graph(about, [Query(rate, "{{$label}}", exemplars=True)])
