"""Session ends: one code. The target of an alert's link: counts against thresholds, and the fix."""

from typing import Final

from dashboards.source import queries, style, variables
from dashboards.source.layout import BUILDS, Strip, build
from dashboards.source.panels import NAMES, Panel, graph, number, percent, table
from dashboards.source.queries import INSTANCE_KEYS, KEYS, THIS_CODE, latest, selector, series
from dashboards.source.shared import alert_list, by_value, data_state, place_list
from exporter import names

NO_STATS: Final = (
    "No data: the system of this code has no live stats, live_stats_projects is empty, or "
    "its polls fail."
)
OF_SYSTEM: Final = queries.legend(queries.SYSTEM_KEYS)
CODE_INFO: Final = queries.code_info(queries.ONE_CODE)
OUTCOME_COLORS: Final = style.OUTCOMES.values()


def _labels(title: str, description: str, *labels: str) -> Panel:
    return number(
        title,
        description,
        *(
            latest(f"max by ({names.SYSTEM}, {of}) ({CODE_INFO})", queries.legend(of))
            for of in labels
        ),
        options=NAMES,
        overrides=[*style.BY_OUTCOME, *style.TITLES],
        empty="No such code",
    )


SUMMARY: Final = (
    number(
        "Count against threshold",
        "Count / spike threshold in each window. From 100 % the code spikes; below 50 % is normal. A "
        "code with severity none has no alert.",
        *(
            series(queries.of_threshold(of, THIS_CODE), f"{OF_SYSTEM} {of}")
            for of in queries.SPIKE_WINDOWS
        ),
        steps=style.above(1, warning=0.5),
        **percent(0),
    ),
    number(
        "Share of all ends (1h)",
        "Share of all ends of the last hour, and the baseline share. Normal is about equal.",
        series(queries.share("1h"), f"{OF_SYSTEM} now"),
        series(selector(names.RULE_SHARE, THIS_CODE), f"{OF_SYSTEM} expected"),
        **percent(2),
    ),
    _labels(
        "Owner", "Team that acts on a spike of this code, for each chosen system.", names.OWNER
    ),
    _labels(
        "Phase and outcome",
        "Phase in which the session ends, and how it counts in the success ratio.",
        *(names.PHASE, names.OUTCOME),
    ),
    data_state(),
)


def _text(index: int, row: str, record: str, label: str) -> str:
    """A row with a text of the taxonomy. Its value is for the order of the rows."""
    newest = f"{index} * {queries.newest(record, queries.ONE_CODE)}"
    return queries.with_label(queries.with_label(newest, "text", "$1", label, "(.+)"), "about", row)


ROWS: Final = (
    _text(1, "Name", names.RULE_CODE_INFO, names.NAME),
    _text(2, "Causes", names.RULE_CODE_HELP, names.CAUSES),
    _text(3, "Fix", names.RULE_CODE_HELP, names.FIX),
    _text(4, "Owner", names.RULE_CODE_INFO, names.OWNER),
)
LINK: Final = {"custom.width": 90, "links": [variables.to_code_runbook(names.SYSTEM)]}
TEXTS: Final = table(
    "Name, causes, fix and owner",
    "Texts of the taxonomy. The first column links to the runbook, which has more.",
    queries.rows(f"sort(max by ({KEYS}, about, text) (\n  " + "\n  or ".join(ROWS) + "\n))"),
    columns={
        "about": ("About", LINK),
        "text": ("Text", {**style.OWNERS, **style.WRAPPED}),
        names.SYSTEM: (names.SYSTEM, style.HIDDEN_TEXT),
        names.CODE: style.HIDDEN_CODE,
    },
)


def _by_outcome(expr: str, name: str, **more: bool) -> list[queries.Query]:
    """A query for each outcome, A to C: only that of the code's outcome gives data, in its color."""
    of_outcome = (f'{queries.ONE_CODE}, {names.OUTCOME}="{outcome}"' for outcome in style.OUTCOMES)
    return [series(queries.matching(expr, matcher), name, **more) for matcher in of_outcome]


def _against_threshold(window: str) -> Panel:
    return graph(
        f"Ends against threshold ({window})",
        f"Session ends with this code in {window}. The alert needs a count above the threshold (orange, "
        "dashed). The blue dashed line is the expected count. Both follow the traffic.",
        *_by_outcome(selector(names.RULE_COUNT + window, THIS_CODE), f"{OF_SYSTEM} ends"),
        series(selector(names.RULE_THRESHOLD + window, THIS_CODE), f"{OF_SYSTEM} threshold"),
        series(queries.expected(window), f"{OF_SYSTEM} expected"),
        decimals=0,
        empty="No data: the code has no baseline yet, or see the panel Data.",
        overrides=[
            *style.by_queries(OUTCOME_COLORS),
            style.by_query("D", style.dashed(style.WARNING)),
            style.EXPECTED,
        ],
    )


SHARE: Final = graph(
    "Share of all ends (5m)",
    "Share of all session ends in 5m, and the baseline share. If the count rises and the "
    "share does not, only the traffic has grown.",
    *_by_outcome(queries.share("5m"), f"{OF_SYSTEM} share"),
    series(selector(names.RULE_SHARE, THIS_CODE), f"{OF_SYSTEM} expected"),
    overrides=[*style.by_queries(OUTCOME_COLORS), style.EXPECTED],
    **percent(1),
)


def _rate(counter: str) -> str:
    return f"60 * {queries.counted('rate', counter, [THIS_CODE], queries.RATE_INTERVAL, KEYS)}"


ENDS: Final = graph(
    "Ends per minute",
    "A dot is an example session; its tooltip has the session id. "
    f"With {queries.REPEATS}, which are also a line. Recovered "
    "interruptions are not session ends. Late ends arrived too late for alerts.",
    *_by_outcome(_rate(names.SESSION_ENDS), "{{system}} ends", exemplar=True),
    series(_rate(names.SESSION_END_REPEATS), "{{system}} repeats"),
    series(_rate(names.SESSION_INTERRUPTIONS), "{{system}} recovered interruptions", exemplar=True),
    series(_rate(names.SESSION_ENDS_LATE), "{{system}} late", exemplar=True),
    decimals=1,
    overrides=style.by_queries((*OUTCOME_COLORS, "purple", "blue", "yellow")),
)


def _durations() -> str:
    """Buckets by outcome: a histogram for each code would be a thousand series."""
    # Replicas of one ledger count once. The histogram has no label `ledger`; the counters of the same
    # exporter have it. `topk` selects one while an exporter replaces a damaged ledger.
    keys = f"{names.SYSTEM}, {names.OUTCOME}"
    of_instance = f"group by ({INSTANCE_KEYS}, {names.LEDGER}) ({names.RULE_SUM})"
    ledger = f"topk by ({INSTANCE_KEYS}) (1, {of_instance})"
    buckets = f"rate({selector(names.SESSION_DURATION + '_bucket', queries.SYSTEMS)}[5m])"
    scraped = queries.total(f"{INSTANCE_KEYS}, {queries.COPIES}, le, {keys}", buckets)
    per_instance = f"max by ({INSTANCE_KEYS}, le, {keys}) ({scraped})"
    of_ledger = f"{per_instance}\n* on ({INSTANCE_KEYS}) group_left ({names.LEDGER}) {ledger}"
    rate = queries.total(f"le, {keys}", f"max by ({names.LEDGER}, le, {keys}) ({of_ledger})")
    return f"{rate}\nand on ({keys}) {CODE_INFO}"


DURATIONS: Final = graph(
    "Session duration by outcome (5m)",
    "Duration of all sessions of the system with the outcome of this code: 10 % are below p10, half "
    "below p50. Very short failures never started to stream.",
    *(
        series(
            f"histogram_quantile({of / 100}, {_durations()})",
            f"{{{{system}}}} {{{{outcome}}}} p{of}",
        )
        for of in (90, 50, 10)
    ),
    unit="s",
    # Lines would connect nothing: rare ends have many gaps between them.
    custom={"drawStyle": "points", "showPoints": "always", "pointSize": 4},
    overrides=style.by_queries(("dark-blue", "blue", "super-light-blue")),
    empty="No data: senders give no duration_seconds, or no such session ended.",
)
USERS, QUEUED = (
    f"max by ({names.SYSTEM}, {names.PROJECT}) ({selector(metric, queries.SYSTEMS)}) "
    f"and on ({names.SYSTEM}) {CODE_INFO}"
    for metric in (names.LIVE_USERS, names.QUEUED_USERS)
)
CAPACITY: Final = (
    graph(
        "Users streaming",
        "Streaming users of each project, from the platform. Flat at the limit with a growing queue: no "
        "capacity left. A fall: workers were lost.",
        series(USERS, "{{system}} {{project}}"),
        decimals=0,
        empty=NO_STATS,
    ),
    graph(
        "Queued users and ends (5m)",
        "Users who wait for a worker (blue), and session ends with this code in 5m. The queue "
        "grows before users are turned away: add capacity.",
        *_by_outcome(queries.count("5m", THIS_CODE), "{{system}} ends with {{code}}"),
        series(queries.total(names.SYSTEM, QUEUED), "{{system}} users waiting"),
        decimals=0,
        empty=NO_STATS,
        overrides=style.by_queries((*OUTCOME_COLORS, "blue")),
    ),
)
PLACES: Final = place_list("Ends by label value (1h)", "Ends with this code", THIS_CODE)
DASHBOARD: Final = build(
    variables.CODE_UID,
    "Session ends: one code",
    "How many sessions end with this code, is that more than expected, where does it happen, "
    "and what is the fix? Opens with the code that is most above its threshold.",
    {
        "": [
            Strip(4, SUMMARY, (8, 5, 4, 5, 2)),
            Strip(11, [TEXTS, alert_list(THIS_CODE)], (13, 11)),
            Strip(8, [*map(_against_threshold, queries.SPIKE_WINDOWS)]),
        ],
        "Where": [Strip(9, [PLACES, SHARE]), Strip(8, [by_value(THIS_CODE)])],
        "Rate and duration": [Strip(8, [ENDS, DURATIONS])],
        "Platform capacity": [Strip(8, CAPACITY)],
        "Long windows": [Strip(8, [*map(_against_threshold, ("6h", "1d"))])],
    },
    [variables.SYSTEM, variables.CODE, variables.LABEL],
    BUILDS,
    alerts=[THIS_CODE],
    range="now-3h",
)
