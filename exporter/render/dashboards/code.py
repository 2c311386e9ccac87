"""Session ends: one code. Where an alert's link leads: its series under its limit, and what to do."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import board, panels, variables
from exporter.render.dashboards.board import Head, Section, Strip
from exporter.render.dashboards.durations import durations
from exporter.render.dashboards.empty import NO_ENDS, NO_LIMIT
from exporter.render.dashboards.firing import firing
from exporter.render.dashboards.looks import (
    LIMIT,
    OUTCOMES,
    USUAL,
    by_query,
    by_regexp,
    coloured,
    line,
)
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import THIS_CODE, of_code, per_minute, share
from exporter.render.dashboards.users import streaming, waiting
from exporter.render.dashboards.verdict import meaning, now, owner, phase, share_now
from exporter.render.pack import Pack

UID: Final = "session-end-code"


def dashboard(pack: Pack) -> models.Dashboard:
    """For on-call, who comes here from an alert."""
    head = Head(
        UID,
        "Session ends: one code",
        "How many sessions end with this code, is that more than usual, who has it, and what is to be "
        "done?",
        "now-3h",
        "30s",
    )
    policy = pack.policy
    paging = [one.window for one in policy.limit.windows]
    creeping = [one.window for one in policy.elevated.windows]
    sections = (
        Section(
            "",
            (
                Strip(
                    4,
                    [(8, now(paging)), (5, share_now(paging[-1])), (4, owner()), (7, phase())],
                ),
                Strip(6, [(16, meaning(pack)), (8, firing(pack, THIS_CODE))]),
                Strip(9, [(24 // len(paging), _limit(window, "Spike?")) for window in paging]),
            ),
        ),
        Section(
            "Who has it, and since when",
            (
                Strip(8, [(12, _share(paging[0])), (12, _by_label())]),
                Strip(8, [(12, _ends()), (12, durations())]),
            ),
        ),
        Section(
            "Is there room on the platform?",
            [Strip(8, [(12, streaming()), (12, waiting(paging[0]))])],
        ),
        Section(
            "A slow creep?",
            [Strip(8, [(24 // len(creeping), _limit(one, "Creep?")) for one in creeping])],
        ),
    )
    chosen = [variables.system(), variables.code(), variables.label()]
    links = [board.runbooks(pack)]
    return board.board(head, sections, chosen, links, [THIS_CODE], builds=True)


def _limit(window: str, question: str) -> models.Panel:
    """The count in its outcome's colour, whatever the code: a query for each outcome."""
    about = About(
        title=f"{question} Ends with it in {window}, under the limit",
        reading=f"Ends with this code in the last {window}; the alert needs it above the dashed orange "
        "limit, which follows the traffic. The dashed blue line is what is usual for this traffic.",
        empty=NO_LIMIT,
        decimals=0,
    )
    counts = [
        Query(of_code(names.RULE_COUNT + window, f'{names.OUTCOME}="{outcome}"'), "{{system}} ends")
        for outcome in OUTCOMES
    ]
    queries = [
        *counts,
        Query(of_code(names.RULE_LIMIT + window), "{{system}} limit"),
        Query(of_code(names.RULE_USUAL + window), "{{system}} usual"),
    ]
    colours = [
        by_query(ref, coloured(colour))
        for ref, colour in zip("ABC", OUTCOMES.values(), strict=True)
    ]
    return panels.graph(
        about,
        queries,
        [*colours, by_regexp(" limit$", line(LIMIT)), by_regexp(" usual$", line(USUAL))],
    )


def _share(window: str) -> models.Panel:
    about = About(
        title="More of it, or more of everything? Share of all ends",
        reading=f"The part of all ends of {window} that have this code, and the usual part. When the "
        "count rises and the share does not, there is more traffic and nothing else.",
        empty=NO_ENDS,
        unit="percentunit",
        decimals=1,
    )
    return panels.graph(
        about,
        [
            Query(share(window, THIS_CODE), "{{system}} share"),
            Query(of_code(names.RULE_SHARE), "{{system}} usual"),
        ],
        [by_regexp(" usual$", line(USUAL))],
    )


def _by_label() -> models.Panel:
    about = About(
        title="Whom does it hit? Ends per minute by $label",
        reading="Ends with this code by the label chosen at the top, out of those that the exporter's "
        "settings keep (`labels`). One value far above the others points at a region, a project or a build.",
        empty="No data: no such ends, or no label is chosen because the exporter's settings keep none.",
    )
    rate = per_minute(names.SESSION_ENDS, "$label", THIS_CODE)
    return panels.graph(about, [Query(rate, "{{$label}}", exemplars=True)])


def _ends() -> models.Panel:
    about = About(
        title="Which sessions? Ends per minute, with examples",
        reading="Each dot is one session: its id is in the dot's box and in the exporter's debug log. "
        "Interruptions healed and are no ends; late ends were reported too late to alert on.",
        empty="No data: Prometheus has no exporter, or the code is not one of the chosen systems'.",
    )
    lines_of = (
        (names.SESSION_ENDS, "ends"),
        (names.SESSION_INTERRUPTIONS, "interruptions that healed"),
        (names.SESSION_ENDS_LATE, "late"),
    )
    return panels.graph(
        about,
        [
            Query(
                per_minute(metric, names.SYSTEM, THIS_CODE),
                f"{{{{system}}}} {what}",
                exemplars=True,
            )
            for metric, what in lines_of
        ],
    )
