"""Session-end exporter: whether it accepts events, whether it loses or refuses any, latency and capacity."""

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import capacity, latency, panels
from dashboards.source.empty import NO_EXPORTER
from dashboards.source.layout import Head, Section, Strip, assembled
from dashboards.source.panels import PER_INSTANCE, About, Query
from dashboards.source.queries import INSTANCE, INSTANCES, per_second, selector
from dashboards.source.style import BAD, GOOD, PLAIN, WARNING, above, by_regexp, colored
from dashboards.source.variables import instance
from exporter import names


def dashboard() -> models.Dashboard:
    """For the operator of the exporter."""
    head = Head(
        uid="session-end-exporter",
        title="Session-end exporter",
        description="Does the exporter accept events, is any lost or refused, is it fast enough, and is "
        "there capacity left?",
        range="now-6h",
        refresh="30s",
    )
    first = (
        Strip(4, [(6, _version()), (6, _writable()), (6, _failed_commits()), (6, _damaged())]),
        Strip(8, [(12, _events()), (12, _rejected())]),
        Strip(8, [(12, _requests()), (12, _refused())]),
    )
    speed = [(8, latency.commits()), (8, latency.queue()), (8, latency.scrapes())]
    quality = [(8, latency.delay()), (8, latency.doubtful()), (8, latency.unknown())]
    room = [(8, capacity.window()), (8, capacity.span()), (8, capacity.size())]
    sections = (
        Section("", first),
        Section("Latency", [Strip(8, speed)]),
        Section("Age and codes of events", [Strip(8, quality)]),
        Section("Capacity", [Strip(8, room), Strip(6, [(24, capacity.series())])]),
    )
    return assembled(head, sections, [instance()], ['signal="exporter"'])


def _version() -> models.Panel:
    about = About(
        title="Version",
        description="The version of each exporter. Two versions are normal only during an upgrade.",
        empty=NO_EXPORTER,
    )
    builds = f"max by ({INSTANCE}, {names.VERSION}) ({selector(names.BUILD_INFO, INSTANCES)})"
    query = Query(builds, "{{instance}}: {{version}}", now=True)
    return panels.number(about, [query], PLAIN, names_only=True)


def _writable() -> models.Panel:
    about = About(
        title="Ledger writable (1 is yes)",
        description="0 while the ledger cannot be written: events are answered 503, and senders retry.",
        empty=NO_EXPORTER,
        decimals=0,
    )
    query = Query(selector(names.LEDGER_WRITABLE, INSTANCES), PER_INSTANCE)
    return panels.number(about, [query], ((None, BAD), (1, GOOD)))


def _failed_commits() -> models.Panel:
    about = About(
        title="Failed commits per second",
        description="Transactions of the ledger that failed. Their events were answered 503 and not "
        "counted. Normal is 0.",
        empty=NO_EXPORTER,
        decimals=2,
    )
    query = Query(per_second(names.COMMIT_FAILURES, INSTANCE), PER_INSTANCE)
    return panels.number(about, [query], above(0.001), sparkline=True)


def _damaged() -> models.Panel:
    about = About(
        title="Damaged ledger moved aside",
        description="How long ago the exporter moved a damaged ledger aside. Keep the damaged file and "
        "check the disk. Normal is never.",
        empty="Never.",
        unit="dateTimeFromNow",
    )
    # Grafana's times are in milliseconds; 0 is never.
    when = f"1000 * ({selector(names.LEDGER_DAMAGED, INSTANCES)} > 0)"
    return panels.number(about, [Query(when, PER_INSTANCE, now=True)], ((None, BAD),))


def _events() -> models.Panel:
    about = About(
        title="Events per second",
        description="Accepted events are on disk and counted. Duplicates are retries, recognized by their "
        "id. Many duplicates for a long time mean that a sender does not receive its answers.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [
            Query(per_second(names.ACCEPTED_EVENTS, INSTANCE), "{{instance}} accepted"),
            Query(per_second(names.DUPLICATE_EVENTS, INSTANCE), "{{instance}} duplicates"),
        ],
    )


def _rejected() -> models.Panel:
    about = About(
        title="Rejected events per second",
        description="Events that break a rule, by reason. A retry does not help; the log names the sender. "
        "Normal is 0 for every reason.",
        empty=NO_EXPORTER,
    )
    query = Query(per_second(names.REJECTED_EVENTS, names.REASON), "{{reason}}")
    return panels.graph(about, [query])


def _requests() -> models.Panel:
    about = About(
        title="Requests per second by status",
        description="2xx is green, 4xx orange (the sender must change the request), 5xx red (the sender "
        "must retry). Normal is 200 only.",
        empty=NO_EXPORTER,
    )
    return panels.graph(
        about,
        [Query(per_second(names.REQUESTS, names.STATUS), "{{status}}")],
        [
            by_regexp("^2", colored(GOOD)),
            by_regexp("^4", colored(WARNING)),
            by_regexp("^5", colored(BAD)),
        ],
    )


def _refused() -> models.Panel:
    about = About(
        title="Refused requests per second",
        description="Requests of which nothing was counted, by reason. Normal is 0 for every reason; a few "
        "with shutting_down are a restart.",
        empty=NO_EXPORTER,
    )
    query = Query(per_second(names.REFUSED_REQUESTS, names.REASON), "{{reason}}")
    return panels.graph(about, [query])
