"""The first answers about a code: too many or not, whose job, what it means and what is to be done."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.policy.model import Duration
from exporter.render.dashboards import panels
from exporter.render.dashboards.firing import link, to_runbook
from exporter.render.dashboards.looks import (
    OUTCOMES,
    above,
    by_name,
    coloured,
    mapped,
)
from exporter.render.dashboards.panels import About, Query, change
from exporter.render.dashboards.queries import (
    KEYS,
    THIS_CODE,
    of,
    share,
    summed,
)
from exporter.render.dashboards.texts import lines, lines_query
from exporter.render.pack import Pack

NO_LIMIT: Final = (
    "No data: this code never alerts and has no limit, or the recording rules are not loaded."
)


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
                f"{summed(KEYS, of(names.RULE_COUNT + window, THIS_CODE))} / "
                f"{summed(KEYS, of(names.RULE_LIMIT + window, THIS_CODE))}",
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
        empty="No data: nothing ended, or the recording rules are not loaded.",
        unit="percentunit",
        decimals=2,
    )
    return panels.number(
        about,
        [
            Query(share(window, THIS_CODE), "{{system}} now"),
            Query(summed(KEYS, of(names.RULE_SHARE, THIS_CODE)), "{{system}} usual"),
        ],
        ((None, "text"),),
    )


def owner() -> models.Panel:
    """Who acts on it."""
    about = About(
        title="Whose job is it?",
        reading="Who acts on a spike of this code, for each of the chosen systems.",
        empty="No data: no exporter knows this code.",
    )
    return _label(about, names.OWNER)


def phase() -> models.Panel:
    """What the taxonomy calls it."""
    about = About(
        title="What is it? Phase, category, outcome",
        reading="Where in its life the session was (pre_session, connect, handshake, stream, "
        "keep_alive), the vendor's group of codes, and whether it counts against the objective.",
        empty="No data: no exporter knows this code.",
    )
    return _label(about, names.PHASE, names.CATEGORY, names.OUTCOME)


def _label(about: About, *labels: str) -> models.Panel:
    """Label values of the code's row, as text."""
    info = of(names.SESSION_END_CODE_INFO, THIS_CODE)
    queries = [
        Query(f"max by ({names.SYSTEM}, {name}) ({info})", f"{{{{{name}}}}}", now=True)
        for name in labels
    ]
    colours = [by_name(name, coloured(colour)) for name, colour in OUTCOMES.items()]
    return panels.number(about, queries, ((None, "text"),), colours, names_only=True)


def meaning(pack: Pack) -> models.Panel:
    """The lines of the code's page."""
    about = About(
        title="What does ${code:text} mean, and what is to be done?",
        reading="The taxonomy's words. A line leads to the runbook, which has the queries too.",
        empty="No data: no exporter knows this code.",
    )
    return panels.rows(
        about,
        [Query(lines_query(), rows=True)],
        [
            change(
                "organize",
                excludeByName={"Time": True, "Value": True},
                indexByName={"about": 0, "text": 1},
                renameByName={"about": "About", "text": "Text"},
            )
        ],
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
            by_name(names.SYSTEM, {"custom.hidden": True}),
            by_name(names.CODE, {"custom.hidden": True}),
        ],
        header=False,
    )
