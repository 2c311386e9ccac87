"""Users who stream or wait for a worker now, as the platform counts them."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.panels import About, Query
from dashboards.source.queries import SYSTEMS, THIS_CODE, selector
from dashboards.source.style import WARNING, by_regexp, colored
from exporter import names

NO_STATS: Final = (
    "No data: live stats are off (live_stats_projects), the platform's API has not answered for minutes, "
    "or the system has no live stats."
)


def streaming() -> models.Panel:
    """Users of each project."""
    about = About(
        title="Users streaming",
        description="Users of each project who stream now, as the platform counts them. A flat line at the "
        "project's limit while the queue grows is a lack of capacity; a fall is a loss of workers.",
        empty=NO_STATS,
        decimals=0,
    )
    return panels.graph(about, [Query(_by_project(names.LIVE_USERS), "{{system}} {{project}}")])


def waiting(window: str) -> models.Panel:
    """The queue beside the ends with the code: the queue grows before users are turned away."""
    about = About(
        title=f"Users waiting, and ends ({window})",
        description=f"Users who wait for a worker, in orange, and ends with this code in the last {window}. "
        "When workers run out, the queue grows first: there is time to add capacity.",
        empty=NO_STATS,
        decimals=0,
    )
    queue = f"sum by ({names.SYSTEM}) ({_by_project(names.QUEUED_USERS)})"
    return panels.graph(
        about,
        [
            Query(queue, "{{system}} users waiting"),
            Query(selector(names.RULE_COUNT + window, THIS_CODE), "{{system}} ends with {{code}}"),
        ],
        [by_regexp(" users waiting$", colored(WARNING))],
    )


def _by_project(metric: str) -> str:
    return f"max by ({names.SYSTEM}, {names.PROJECT}) ({selector(metric, SYSTEMS)})"
