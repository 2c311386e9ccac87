"""The first answers about a code: too many or not, whose job, what it means and what is to be done."""

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.policy.model import Duration
from exporter.render.dashboards import panels
from exporter.render.dashboards.empty import NO_CODE, NO_ENDS, NO_LIMIT
from exporter.render.dashboards.firing import link, to_runbook
from exporter.render.dashboards.looks import (
    AS_WRITTEN,
    HIDDEN,
    PLAIN,
    above,
    by_name,
    mapped,
    outcomes,
)
from exporter.render.dashboards.panels import About, Query, organized
from exporter.render.dashboards.queries import THIS_CODE, of, of_code, share
from exporter.render.dashboards.texts import lines, lines_query
from exporter.render.pack import Pack


def now(windows: list[Duration]) -> models.Panel:
    """The count of each window that pages, as a part of its limit."""
    about = About(
        title="Is ${code:text} too many? Count as a part of its limit",
        reading="The counts of the windows that page, each divided by its limit. From 100 % on it "
        "spikes; below 50 % is normal.",
        empty=NO_LIMIT,
        unit="percentunit",
        decimals=0,
    )
    return panels.number(
        about,
        [
            Query(
                f"{of_code(names.RULE_COUNT + window)} / {of_code(names.RULE_LIMIT + window)}",
                f"{{{{system}}}} {window}",
            )
            for window in windows
        ],
        above(1, warning=0.5),
        sparkline=True,
    )


def share_now(window: str) -> models.Panel:
    """The part of all ends, beside what is usual; `window` is a duration such as 1h."""
    about = About(
        title=f"Its share of all ends, {window}",
        reading=f"The part of all ends in the last {window} that have this code, and its usual share: "
        "the median of a week. Normal is that they are alike.",
        empty=NO_ENDS,
        unit="percentunit",
        decimals=2,
    )
    return panels.number(
        about,
        [
            Query(share(window, THIS_CODE), "{{system}} now"),
            Query(of_code(names.RULE_SHARE), "{{system}} usual"),
        ],
        PLAIN,
    )


def owner() -> models.Panel:
    """Who acts on it."""
    about = About(
        title="Whose job is it?",
        reading="Who acts on a spike of this code, for each of the chosen systems.",
        empty=NO_CODE,
    )
    return _label(about, names.OWNER)


def phase() -> models.Panel:
    """What the taxonomy calls it."""
    about = About(
        title="What is it? Phase, category, outcome",
        reading="Where in its life the session was (pre_session, connect, handshake, stream, "
        "keep_alive), the vendor's group of codes, and whether it counts against the objective.",
        empty=NO_CODE,
    )
    return _label(about, names.PHASE, names.CATEGORY, names.OUTCOME)


def _label(about: About, *labels: str) -> models.Panel:
    """Label values of the code's row, as text."""
    info = of(names.SESSION_END_CODE_INFO, THIS_CODE)
    queries = [
        Query(f"max by ({names.SYSTEM}, {name}) ({info})", f"{{{{{name}}}}}", now=True)
        for name in labels
    ]
    return panels.number(about, queries, PLAIN, outcomes(), names_only=True)


def meaning(pack: Pack) -> models.Panel:
    """The lines of the code's page."""
    about = About(
        title="What does ${code:text} mean, and what is to be done?",
        reading="The taxonomy's words. A line leads to the runbook, which has the queries too.",
        empty=NO_CODE,
    )
    return panels.rows(
        about,
        [Query(lines_query(), rows=True)],
        [organized({"about": "About", "text": "Text"}, "Time", "Value")],
        [
            by_name("About", {"custom.width": 120}),
            by_name(
                "Text",
                {
                    "mappings": mapped(lines(pack)),
                    "custom.cellOptions": {"type": "auto", "wrapText": True},
                    "custom.inspect": True,
                    "links": [
                        link("Runbook", to_runbook(pack, names.SYSTEM, names.CODE), away=True)
                    ],
                },
            ),
            by_name(names.SYSTEM, HIDDEN),
            by_name(names.CODE, {**HIDDEN, **AS_WRITTEN}),
        ],
        header=False,
    )
