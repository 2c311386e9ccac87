"""Session ends: one code. The target of an alert's link: counts against thresholds, and the fix."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels, variables
from dashboards.source.alert_list import alert_list
from dashboards.source.code_summary import (
    count_against_threshold,
    explanation,
    owner,
    phase,
    share_now,
)
from dashboards.source.durations import durations
from dashboards.source.empty import NO_ENDS, NO_THRESHOLD
from dashboards.source.layout import Head, Section, Strip, assembled
from dashboards.source.links import CODE_UID
from dashboards.source.live_users import streaming, waiting
from dashboards.source.panels import About, Query
from dashboards.source.queries import (
    ELEVATED_WINDOWS,
    SPIKE_WINDOWS,
    THIS_CODE,
    expected,
    only,
    per_minute,
    selector,
    share,
)
from dashboards.source.style import (
    EXPECTED,
    OUTCOMES,
    WARNING,
    by_query,
    by_regexp,
    colored,
    reference,
)
from exporter import names

WINDOW: Final = "5m"


def dashboard() -> models.Dashboard:
    """For on-call, who comes here from an alert."""
    head = Head(
        uid=CODE_UID,
        title="Session ends: one code",
        description="How many sessions end with this code, is that more than expected, whom does it "
        "affect, and what is the fix?",
        range="now-3h",
        refresh="30s",
    )
    summary = [(8, count_against_threshold()), (5, share_now()), (4, owner()), (7, phase())]
    sections = (
        Section(
            "",
            (
                Strip(4, summary),
                Strip(6, [(16, explanation()), (8, alert_list(THIS_CODE))]),
                Strip(9, [(8, _threshold(window)) for window in SPIKE_WINDOWS]),
            ),
        ),
        Section(
            "Share, labels and duration",
            (
                Strip(8, [(12, _share()), (12, _by_label())]),
                Strip(8, [(12, _ends()), (12, durations())]),
            ),
        ),
        Section("Platform capacity", [Strip(8, [(12, streaming()), (12, waiting(WINDOW))])]),
        Section(
            "Windows of hours",
            [Strip(8, [(12, _threshold(window)) for window in ELEVATED_WINDOWS])],
        ),
    )
    chosen = [variables.system(), variables.code(), variables.label()]
    return assembled(head, sections, chosen, [THIS_CODE], builds=True)


def _threshold(window: str) -> models.Panel:
    """A query for each outcome gives the count the color of the code's outcome."""
    about = About(
        title=f"Ends against threshold ({window})",
        description=f"Ends with this code in the last {window}. The alert needs a count above the dashed "
        "orange threshold, which follows the traffic. The dashed blue line is the count expected at "
        "this traffic.",
        empty=NO_THRESHOLD,
        decimals=0,
    )
    count = selector(names.RULE_COUNT + window, THIS_CODE)
    counts = [
        Query(only(count, f'{names.OUTCOME}="{outcome}"'), "{{system}} ends")
        for outcome in OUTCOMES
    ]
    queries = [
        *counts,
        Query(selector(names.RULE_THRESHOLD + window, THIS_CODE), "{{system}} threshold"),
        Query(expected(window, THIS_CODE), "{{system}} expected"),
    ]
    colors = [
        by_query(ref, colored(color)) for ref, color in zip("ABC", OUTCOMES.values(), strict=True)
    ]
    lines = [
        by_regexp(" threshold$", reference(WARNING)),
        by_regexp(" expected$", reference(EXPECTED)),
    ]
    return panels.graph(about, queries, [*colors, *lines])


def _share() -> models.Panel:
    about = About(
        title=f"Share of all ends ({WINDOW})",
        description=f"The part of all ends of {WINDOW} that have this code, and the baseline share. When "
        "the count rises and the share does not, there is more traffic and nothing else.",
        empty=NO_ENDS,
        unit="percentunit",
        decimals=1,
    )
    return panels.graph(
        about,
        [
            Query(share(WINDOW, THIS_CODE), "{{system}} share"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
        ],
        [by_regexp(" expected$", reference(EXPECTED))],
    )


def _by_label() -> models.Panel:
    about = About(
        title="Ends per minute by $label",
        description="Ends with this code by the label chosen at the top, of the labels that the exporter's "
        "setting `labels` keeps. A value far above the others points at a region, a project or a build.",
        empty="No data: no such ends, or the exporter's setting `labels` keeps no label.",
    )
    rate = per_minute(names.SESSION_ENDS, "$label", THIS_CODE)
    return panels.graph(about, [Query(rate, "{{$label}}", exemplars=True)])


def _ends() -> models.Panel:
    about = About(
        title="Ends per minute",
        description="Each dot is a session: its id is in the dot's box and in the exporter's debug log. "
        "Interruptions were healed and are not ends; late ends were reported too late for alerts.",
        empty="No data: Prometheus scrapes no exporter, or the chosen systems do not have the code.",
    )
    counters = (
        (names.SESSION_ENDS, "ends"),
        (names.SESSION_INTERRUPTIONS, "healed interruptions"),
        (names.SESSION_ENDS_LATE, "late"),
    )
    return panels.graph(
        about,
        [
            Query(
                per_minute(metric, names.SYSTEM, THIS_CODE),
                f"{{{{system}}}} {legend}",
                exemplars=True,
            )
            for metric, legend in counters
        ],
    )
