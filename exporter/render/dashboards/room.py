"""Whether there is room: ids, bytes, series."""

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import panels
from exporter.render.dashboards.empty import NO_EXPORTER
from exporter.render.dashboards.looks import (
    BAD,
    by_name,
    by_regexp,
    coloured,
    line,
)
from exporter.render.dashboards.panels import PER_INSTANCE, About, Query
from exporter.render.dashboards.queries import INSTANCES, of, own
from exporter.render.promql import INSTANCE


def window() -> models.Panel:
    """How full the deduplication window is."""
    about = About(
        title="Is there room for ids? Deduplication window",
        reading="Ids that the window holds, of those that it can. At 100 % the oldest leave before "
        "their time, and a retry of theirs counts again.",
        empty=NO_EXPORTER,
        unit="percentunit",
        decimals=0,
    )
    part = f"{of(names.WINDOW_IDS, INSTANCES)} / {of(names.WINDOW_CAPACITY, INSTANCES)}"
    return panels.graph(about, [Query(part, PER_INSTANCE)], line_at=1)


def reach() -> models.Panel:
    """How far back it reaches."""
    about = About(
        title="How far back is a retry recognised?",
        reading="Age of the oldest id in the window, and how many ids left it per second for want of "
        "room (`ids`, right axis; normal is 0) or because they were old enough (`age`).",
        empty=NO_EXPORTER,
        unit="s",
    )
    expired = own(names.WINDOW_EXPIRED, names.BOUND)
    return panels.graph(
        about,
        [
            Query(of(names.WINDOW_SPAN, INSTANCES), PER_INSTANCE),
            Query(expired, "left per second: {{bound}}"),
        ],
        [
            by_regexp("^left ", {"unit": "short", "custom.axisPlacement": "right"}),
            by_name("left per second: ids", coloured(BAD)),
        ],
    )


def size() -> models.Panel:
    """Bytes of the ledger."""
    about = About(
        title="How large is the ledger?",
        reading="Bytes on disk. It grows with series and with the deduplication window, not with the "
        "number of events ever counted.",
        empty=NO_EXPORTER,
        unit="bytes",
    )
    return panels.graph(about, [Query(of(names.LEDGER_SIZE, INSTANCES), PER_INSTANCE)])


def held() -> models.Panel:
    """How many series there are."""
    about = About(
        title="Is the number of series growing? Series of session ends, and new ones",
        reading="All series of the ends counter, and those that are new and still shown as 0 so that "
        "`increase` misses nothing. A steady rise is a label with too many values.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    series = f"count by ({INSTANCE}) ({of(names.SESSION_ENDS, INSTANCES)})"
    return panels.graph(
        about,
        [
            Query(series, "{{instance}} series"),
            Query(of(names.HELD_SERIES, INSTANCES), "{{instance}} new"),
        ],
        [by_regexp(" new$", line("blue"))],
    )
