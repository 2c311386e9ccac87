"""Session-end exporter: its events and requests, latency and capacity."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.layout import Strip, build
from dashboards.source.panels import COUNT, LARGEST_FIRST, NAMES, NUMBER_22, graph, number, percent
from dashboards.source.queries import exporter_gauge, exporter_rate, latest, series
from dashboards.source.shared import data_state
from dashboards.source.variables import INSTANCE
from exporter import names

LATE_QUANTILE: Final = 0.9
LATE_SECONDS: Final = 300
"""Quantile and age of the alert SessionEndExporterEventsDelayed."""
OF_INSTANCE: Final = queries.legend(queries.INSTANCE_KEYS)
BUILDS: Final = queries.selector(names.BUILD_INFO, queries.INSTANCES)
MOVED: Final = exporter_gauge(names.LEDGER_DAMAGED)["expr"]
IDS: Final = exporter_gauge(names.WINDOW_IDS)["expr"]
WINDOW: Final = exporter_gauge(names.WINDOW_CAPACITY)["expr"]
SERIES: Final = (
    f"max by ({queries.INSTANCE_KEYS}) (count by ({queries.INSTANCE_KEYS}, {queries.COPIES}) "
    f"({queries.selector(names.SESSION_ENDS, queries.INSTANCES)}))"
)
REPEATS: Final = queries.counted(
    "increase", names.SESSION_END_REPEATS, [queries.INSTANCES], "5m", names.SYSTEM
)
BY_STATUS: Final = {"/^2/": style.GOOD, "/^4/": style.WARNING, "/^5/": style.BAD}

STATE: Final = (
    number(
        "Version",
        "Version of each exporter. Two versions are normal only during an upgrade.",
        latest(
            f"max by ({queries.INSTANCE_KEYS}, {names.VERSION}) ({BUILDS})",
            f"{OF_INSTANCE}: {{{{version}}}}",
        ),
        options=NAMES,
    ),
    number(
        "Ledger writable (1 = yes)",
        "At 0 the exporter answers 503 and senders retry. Check the disk. Normal is 1.",
        exporter_gauge(names.LEDGER_WRITABLE),
        steps=(*style.PLAIN, (0, style.BAD), (1, style.GOOD)),
        decimals=0,
    ),
    number(
        "Failed commits per second",
        "Failed ledger transactions, whose events got status 503. Normal is 0.",
        exporter_rate(names.COMMIT_FAILURES),
        steps=style.above(0.001),
        decimals=2,
    ),
    number(
        "Damaged ledger moved aside",
        "When the exporter moved a damaged ledger aside. Keep the file and check the disk.",
        # Grafana's times are in milliseconds; 0 is never.
        latest(f"1000 * ({MOVED} > 0)", OF_INSTANCE),
        steps=(*style.PLAIN, (1, style.BAD)),
        options=NUMBER_22,
        unit="dateTimeFromNow",
        empty="Never",
    ),
    data_state(2),
)
EVENTS: Final = (
    graph(
        "Events per second",
        "Accepted: stored and counted. Duplicates: retries, recognized by their id. Many duplicates "
        "for a long time: a sender does not receive the responses.",
        exporter_rate(names.ACCEPTED_EVENTS, suffix=" accepted"),
        exporter_rate(names.DUPLICATE_EVENTS, suffix=" duplicates"),
    ),
    graph(
        "Rejected events per second",
        "Invalid events by reason. A retry does not help; the log names the sender. Normal is 0.",
        exporter_rate(names.REJECTED_EVENTS, names.REASON),
        legend=LARGEST_FIRST,
    ),
)
REQUESTS: Final = (
    graph(
        "Requests per second by status",
        "4xx orange: the sender must change the request. 5xx red: the sender must retry.",
        exporter_rate(names.REQUESTS, names.STATUS),
        legend=LARGEST_FIRST,
        overrides=[style.by_regexp(of, style.colored(color)) for of, color in BY_STATUS.items()],
    ),
    graph(
        "Refused requests per second",
        "Requests without a counted event, by reason. Normal is 0, or shutting_down at a restart.",
        exporter_rate(names.REFUSED_REQUESTS, names.REASON),
        legend=LARGEST_FIRST,
    ),
)
LATENCY: Final = (
    graph(
        "Commit time",
        "Duration of a ledger transaction including fsync. Normal is milliseconds on a flash disk.",
        *queries.exporter_quantiles(names.COMMIT_SECONDS, 0.5, 0.99),
        unit="s",
        empty="No data: nothing was committed in this time.",
    ),
    graph(
        "Ledger queue",
        "Events received and not yet stored. Growth: events arrive faster than they are committed. At "
        "the limit requests get status 503. Normal is near 0.",
        exporter_gauge(names.QUEUE_EVENTS, " events"),
        decimals=0,
    ),
    graph(
        "Scrape time",
        "Time to render /metrics. It grows with the number of series. Normal is below 0.1 s.",
        *queries.exporter_quantiles(names.SCRAPE_SECONDS, 0.5, 0.99),
        unit="s",
    ),
)
DELAY_AND_QUALITY: Final = (
    graph(
        "Event age at receipt",
        "Age of the oldest event of a request: the delay of alerts. A ticket opens while "
        f"p{100 * LATE_QUANTILE:.0f} stays above the dashed line. Normal is seconds.",
        *queries.exporter_quantiles(names.EVENT_DELAY, 0.5, LATE_QUANTILE, 0.99),
        line_at=LATE_SECONDS,
        unit="s",
        empty="No data: no events arrived in this time.",
    ),
    graph(
        "Data quality issues per second",
        "Late: too late for alerts. At least once: without a key, a retry counts again. Capped: a "
        "label value was replaced by `other`. Ignored: an OTLP log record that is no session end. "
        "Normal is 0, a few late events, and the other records of OTLP senders.",
        exporter_rate(names.LATE_EVENTS, suffix=" late"),
        exporter_rate(names.AT_LEAST_ONCE_EVENTS, suffix=" at least once"),
        exporter_rate(names.CAPPED_LABELS, names.LABEL, " capped"),
        exporter_rate(names.IGNORED_RECORDS, names.REASON, " ignored record"),
    ),
    graph(
        "Unknown codes per second",
        "Events with a code that is not in the taxonomy, counted as unknown. The exporter lists the "
        f"codes at {names.UNKNOWN_CODES_PATH}. Normal is 0.",
        exporter_rate(names.UNKNOWN_CODE_EVENTS, names.SYSTEM),
    ),
)
CAPACITY: Final = (
    graph(
        "Deduplication window used",
        "Ids in the window / capacity. At 100 % ids leave early, and late retries of their events "
        "count again.",
        series(f"{IDS} / {WINDOW}", OF_INSTANCE),
        line_at=1,
        custom={"axisSoftMax": 1},
        **percent(0),
    ),
    graph(
        "Deduplication window span",
        "Age of the oldest id, and ids removed per second (right axis): `ids` because the window is "
        "full (normal is 0), `age` because they expired.",
        exporter_gauge(names.WINDOW_SPAN),
        exporter_rate(names.WINDOW_EXPIRED, names.BOUND, " per second"),
        unit="s",
        overrides=[
            style.by_query("B", {"unit": COUNT, "custom.axisPlacement": "right"}),
            style.by_name("ids per second", style.colored(style.BAD)),
        ],
    ),
    graph(
        "Ledger size",
        "Bytes on disk. Grows with the number of series and the deduplication window, not with all "
        "events.",
        exporter_gauge(names.LEDGER_SIZE),
        unit="bytes",
    ),
)
SERIES_AND_LOSSES: Final = (
    graph(
        "Session end series",
        "Series of the session ends counter, and new series that are zero-initialized first. A steady "
        "rise: a label has too many values.",
        series(SERIES, f"{OF_INSTANCE} series"),
        exporter_gauge(names.FIRST_SEEN_ZERO_SERIES, " new"),
        decimals=0,
        overrides=[style.by_query("B", style.dashed("blue"))],
    ),
    graph(
        "Repeats per minute (5m)",
        "Second and later ends of one user with the same code within 15 minutes; they are session ends "
        "too. Only of senders that give the field user.",
        series(f"{REPEATS} / 5", "{{system}}"),
    ),
    graph(
        "Log lines lost per second",
        "Log lines that could not be written to standard error, for example because its reader is slow. "
        "Normal is 0.",
        exporter_rate(names.LOG_LOST_LINES),
    ),
)
DASHBOARD: Final = build(
    "session-end-exporter",
    "Session-end exporter",
    "Does the exporter accept events, does it refuse or lose any, and is there capacity left?",
    {
        "": [Strip(4, STATE, (6, 5, 5, 5, 3)), Strip(8, EVENTS), Strip(8, REQUESTS)],
        "Latency": [Strip(8, LATENCY)],
        "Event delay and data quality": [Strip(8, DELAY_AND_QUALITY)],
        "Capacity": [Strip(8, CAPACITY), Strip(8, SERIES_AND_LOSSES)],
    },
    [INSTANCE],
    alerts=['signal="exporter"'],
    range="now-6h",
)
