"""Users of the platform now: who streams, and who waits for a worker, beside the ends of a code."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import panels
from exporter.render.dashboards.looks import WARNING, by_regexp, coloured
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import SYSTEMS, of, of_code

NO_STATS: Final = (
    "No data: live stats are off (live_stats_projects), the platform's API has not answered for minutes, "
    "or the system has none."
)


def streaming() -> models.Panel:
    """Each project's users, as the platform counts them."""
    about = About(
        title="How many are in? Users streaming now",
        reading="Users of each project who stream at this moment, as the platform says. Flat at the "
        "project's limit, while the queue grows, is too little capacity; falling, it is workers that went.",
        empty=NO_STATS,
        decimals=0,
    )
    users = f"max by ({names.SYSTEM}, {names.PROJECT}) ({of(names.LIVE_USERS, SYSTEMS)})"
    return panels.graph(about, [Query(users, "{{system}} {{project}}")])


def waiting(window: str) -> models.Panel:
    """All who wait, over the ends with the code: the queue grows first, and then users are turned away."""
    about = About(
        title=f"Do users wait before it ends so? The queue, and ends with it in {window}",
        reading=f"Users who wait for a worker, in orange, and ends with this code in the last {window}. "
        "Before 4001 No Worker Node Available the queue grows first: there is time to add capacity.",
        empty=NO_STATS,
        decimals=0,
    )
    queue = f"max by ({names.SYSTEM}, {names.PROJECT}) ({of(names.QUEUED_USERS, SYSTEMS)})"
    return panels.graph(
        about,
        [
            Query(f"sum by ({names.SYSTEM}) ({queue})", "{{system}} users waiting"),
            Query(of_code(names.RULE_COUNT + window), "{{system}} ends with {{code}}"),
        ],
        [by_regexp(" users waiting$", coloured(WARNING))],
    )
