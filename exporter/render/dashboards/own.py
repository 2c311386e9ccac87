"""Session-end exporter: does it take events, is anything lost or refused, is there room."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.alerts import SIGNAL
from exporter.render.catalog import Signal
from exporter.render.dashboards import panels
from exporter.render.dashboards.board import Head, Section, Strip, board, runbooks
from exporter.render.dashboards.empty import NO_EXPORTER
from exporter.render.dashboards.looks import (
    BAD,
    GOOD,
    PLAIN,
    above,
    by_regexp,
    coloured,
)
from exporter.render.dashboards.pace import commits, delay, doubtful, queue, scrapes, unknown
from exporter.render.dashboards.panels import PER_INSTANCE, About, Query
from exporter.render.dashboards.queries import INSTANCES, of, own
from exporter.render.dashboards.room import held, reach, size, window
from exporter.render.dashboards.variables import instance
from exporter.render.pack import Pack
from exporter.render.promql import INSTANCE, duration

UID: Final = "session-end-exporter"


def dashboard(pack: Pack) -> models.Dashboard:
    """For whoever runs the exporter."""
    head = Head(
        UID,
        "Session-end exporter",
        "Does the exporter take events, is any lost or refused, is it fast enough, and has it room?",
        "now-6h",
        "30s",
    )
    first = (
        Strip(4, [(6, _running()), (6, _writable()), (6, _written()), (6, _damaged(pack))]),
        Strip(8, [(12, _taken()), (12, _rejected())]),
        Strip(8, [(12, _answers()), (12, _refused())]),
    )
    sections = (
        Section("", first),
        Section(
            "Fast enough?",
            [Strip(8, [(8, commits()), (8, queue()), (8, scrapes())])],
        ),
        Section(
            "In time, and known?",
            [Strip(8, [(8, delay(pack)), (8, doubtful()), (8, unknown())])],
        ),
        Section(
            "Room",
            [Strip(8, [(8, window()), (8, reach()), (8, size())]), Strip(6, [(24, held())])],
        ),
    )
    pipeline = f'{SIGNAL}="{Signal.PIPELINE}"'
    return board(head, sections, [instance()], [runbooks(pack)], [pipeline])


def _running() -> models.Panel:
    about = About(
        title="What is running?",
        reading="The version of each exporter. Two versions are normal only while one replaces the other.",
        empty=NO_EXPORTER,
    )
    builds = f"max by ({INSTANCE}, {names.VERSION}) ({of(names.BUILD_INFO, INSTANCES)})"
    running = Query(builds, "{{instance}}: {{version}}", now=True)
    return panels.number(about, [running], PLAIN, names_only=True)


def _writable() -> models.Panel:
    about = About(
        title="Does the ledger take events? 1 is yes",
        reading="0 while the ledger can't be written: events are answered 503, and senders send them again.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    return panels.number(
        about, [Query(of(names.LEDGER_WRITABLE, INSTANCES), PER_INSTANCE)], ((None, BAD), (1, GOOD))
    )


def _written() -> models.Panel:
    about = About(
        title="Did commits fail? Failures per second",
        reading="Transactions of the ledger that failed; their events were answered 503 and not "
        "counted. Normal is 0.",
        empty=NO_EXPORTER,
        decimals=2,
    )
    rate = own(names.COMMIT_FAILURES, INSTANCE)
    return panels.number(about, [Query(rate, PER_INSTANCE)], above(0.001), sparkline=True)


def _damaged(pack: Pack) -> models.Panel:
    window = pack.policy.pipeline.ledger_damaged.window
    about = About(
        title="Was a damaged ledger moved aside?",
        reading=f"How long ago. Red for {duration(window.seconds)} after it; keep the damaged file and "
        "look at the disk. Normal is never.",
        empty="Never.",
        unit="dateTimeFromNow",
    )
    # Grafana's times are in milliseconds; 0 is never.
    when = f"1000 * ({of(names.LEDGER_DAMAGED, INSTANCES)} > 0)"
    return panels.number(about, [Query(when, PER_INSTANCE, now=True)], ((None, BAD),))


def _taken() -> models.Panel:
    about = About(
        title="Are events coming in? Events per second",
        reading="Accepted events are on disk and counted. Duplicates are retries, recognised by their "
        "id; many for long are a sender that does not get, or read, its answers.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [
            Query(own(names.ACCEPTED_EVENTS, INSTANCE), "{{instance}} accepted"),
            Query(own(names.DUPLICATE_EVENTS, INSTANCE), "{{instance}} duplicates"),
        ],
    )


def _rejected() -> models.Panel:
    about = About(
        title="Which events break a rule? Rejected per second",
        reading="Events that will never be counted, whatever the sender repeats, by reason; the log "
        "names the sender. Normal is 0 for every reason.",
        empty=NO_EXPORTER,
    )
    return panels.graph(about, [Query(own(names.REJECTED_EVENTS, names.REASON), "{{reason}}")])


def _answers() -> models.Panel:
    about = About(
        title="How are requests answered? Requests per second",
        reading="By status: 2xx is green, 4xx orange (the sender must change something), 5xx red (it "
        "shall send again). Normal is 200 alone.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [Query(own(names.REQUESTS, names.STATUS), "{{status}}")],
        [
            by_regexp("^2", coloured(GOOD)),
            by_regexp("^4", coloured("orange")),
            by_regexp("^5", coloured(BAD)),
        ],
    )


def _refused() -> models.Panel:
    about = About(
        title="Which requests are refused? Refused per second",
        reading="Requests of which nothing was counted, by reason. Normal is 0 for every reason; a few "
        "of shutting_down are a restart.",
        empty=NO_EXPORTER,
    )
    return panels.graph(about, [Query(own(names.REFUSED_REQUESTS, names.REASON), "{{reason}}")])
