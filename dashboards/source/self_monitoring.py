"""Session-end exporter: whether it accepts events, whether it loses or refuses any, latency and capacity."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import capacity, latency
from dashboards.source.layout import Section, Strip, build
from dashboards.source.panels import Panel, graph, number
from dashboards.source.queries import (
    INSTANCE,
    INSTANCES,
    Query,
    exporter_gauge,
    exporter_rate,
    selector,
)
from dashboards.source.style import BAD, GOOD, WARNING, above, by_regexp, colored
from dashboards.source.variables import instance
from exporter import names


def dashboard() -> Dashboard:
    """For the operator of the exporter."""
    return build(
        "session-end-exporter",
        "Session-end exporter",
        "Does the exporter accept events, is any lost or refused, is it fast enough, and is "
        "there capacity left?",
        [
            Section("", [Strip(4, _state()), Strip(8, _events()), Strip(8, _requests())]),
            Section("Latency", [Strip(8, latency.processing())]),
            Section(
                "Event delay and data quality", [Strip(8, [latency.event_age(), *_doubtful()])]
            ),
            Section("Capacity", [Strip(8, capacity.storage()), Strip(6, [capacity.series()])]),
        ],
        [instance()],
        alerts=['signal="exporter"'],
        range="now-6h",
    )


def _state() -> list[Panel]:
    builds = f"max by ({INSTANCE}, {names.VERSION}) ({selector(names.BUILD_INFO, INSTANCES)})"
    # Grafana's times are in milliseconds; 0 is never.
    damaged = f"1000 * ({selector(names.LEDGER_DAMAGED, INSTANCES)} > 0)"
    return [
        number(
            "Version",
            "Version of each exporter. Two versions are normal only during an upgrade.",
            Query(builds, "{{instance}}: {{version}}", instant=True),
            names_only=True,
        ),
        number(
            "Ledger writable (1 = yes)",
            "At 0 the exporter answers 503 and senders retry. Check the disk and its free space. Normal is "
            "1.",
            exporter_gauge(names.LEDGER_WRITABLE),
            steps=((None, BAD), (1, GOOD)),
            decimals=0,
        ),
        number(
            "Failed commits per second",
            "Failed ledger transactions. Their events got status 503 and were not counted. Normal is 0.",
            exporter_rate(names.COMMIT_FAILURES),
            steps=above(0.001),
            sparkline=True,
            decimals=2,
        ),
        number(
            "Damaged ledger moved aside",
            "Time since the exporter moved a damaged ledger aside. Keep the file and check the disk. "
            "Normal: never.",
            Query(damaged, "{{instance}}", instant=True),
            steps=((None, BAD),),
            unit="dateTimeFromNow",
            empty="Never.",
        ),
    ]


def _events() -> list[Panel]:
    return [
        graph(
            "Events per second",
            "Accepted: stored and counted. Duplicates: retries, recognized by their id. Many duplicates "
            "for a long time: a sender does not receive the responses.",
            exporter_rate(names.ACCEPTED_EVENTS, legend="{} accepted"),
            exporter_rate(names.DUPLICATE_EVENTS, legend="{} duplicates"),
        ),
        graph(
            "Rejected events per second",
            "Invalid events by reason. A retry does not help; the log names the sender. Normal is 0.",
            exporter_rate(names.REJECTED_EVENTS, names.REASON),
        ),
    ]


def _requests() -> list[Panel]:
    colors = {"/^2/": GOOD, "/^4/": WARNING, "/^5/": BAD}
    return [
        graph(
            "Requests per second by status",
            "2xx green. 4xx orange: the sender must change the request. 5xx red: the sender must retry. "
            "Normal is 200 only.",
            exporter_rate(names.REQUESTS, names.STATUS),
            overrides=[by_regexp(status, colored(color)) for status, color in colors.items()],
        ),
        graph(
            "Refused requests per second",
            "Requests refused as a whole, by reason; no event was counted. Normal is 0, and a few "
            "shutting_down at a restart.",
            exporter_rate(names.REFUSED_REQUESTS, names.REASON),
        ),
    ]


def _doubtful() -> list[Panel]:
    return [
        graph(
            "Data quality issues per second",
            "Late: too late for alerts. At least once: without a key, a retry counts again. Capped: a "
            "label value was replaced by `other`. Normal is 0, or a few late events.",
            exporter_rate(names.LATE_EVENTS, legend="{} late"),
            exporter_rate(names.AT_LEAST_ONCE_EVENTS, legend="{} at least once"),
            exporter_rate(names.CAPPED_LABELS, names.LABEL, "capped: {}"),
        ),
        graph(
            "Unknown codes per second",
            "Events with a code that is not in the taxonomy, counted as unknown. The exporter lists the "
            f"codes at {names.UNKNOWN_CODES_PATH}. Normal is 0.",
            exporter_rate(names.UNKNOWN_CODE_EVENTS, names.SYSTEM),
        ),
    ]
