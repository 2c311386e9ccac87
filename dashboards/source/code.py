"""Session ends: one code. The target of an alert's link: counts against thresholds, and the fix."""

from typing import Final

from dashboards.source import queries, style, variables
from dashboards.source.layout import Dashboard, Strip, build
from dashboards.source.panels import Panel, graph, number, percent, table
from dashboards.source.queries import KEYS, SYSTEMS, THIS_CODE, Query, selector, total
from dashboards.source.shared import alert_list, by_value, data_state, place_list
from exporter import names

NO_STATS: Final = (
    "No data: the system of this code has no live stats, live_stats_projects is empty, or "
    "its polls fail."
)
TEXTS: Final = (
    ("Name", names.RULE_CODE_INFO, names.NAME),
    ("Causes", names.RULE_CODE_HELP, names.CAUSES),
    ("Fix", names.RULE_CODE_HELP, names.FIX),
    ("Owner", names.RULE_CODE_INFO, names.OWNER),
)
"""Row, record and label of each text."""


def dashboard() -> Dashboard:
    first = (
        Strip(4, _summary(), (8, 5, 4, 5, 2)),
        Strip(11, [_texts(), alert_list(THIS_CODE)], (13, 11)),
        Strip(8, [_against_threshold(window) for window in queries.SPIKE_WINDOWS]),
    )
    places = place_list("Ends by label value (1h)", "Ends with this code", THIS_CODE)
    breakdown = [Strip(9, [places, _share()]), Strip(8, [by_value(THIS_CODE)], (24,))]
    hours = [_against_threshold(window) for window in ("6h", "1d")]
    return build(
        variables.CODE_UID,
        "Session ends: one code",
        "How many sessions end with this code, is that more than expected, where does it happen, "
        "and what is the fix? Opens with the code that is most above its threshold.",
        {
            "": first,
            "Where": breakdown,
            "Rate and duration": [Strip(8, [_ends(), _durations()])],
            "Platform capacity": [Strip(8, _capacity())],
            "Long windows": [Strip(8, hours)],
        },
        [variables.system(), variables.code(), variables.label()],
        alerts=[THIS_CODE],
        range="now-3h",
        builds=True,
    )


def _summary() -> list[Panel]:
    of_system = queries.legend(queries.SYSTEM_KEYS)
    return [
        number(
            "Count against threshold",
            "Count / spike threshold in each window. From 100 % the code spikes; below 50 % is normal. A "
            "code with severity none has no alert.",
            *(
                Query(queries.of_threshold(window, THIS_CODE), f"{of_system} {window}")
                for window in queries.SPIKE_WINDOWS
            ),
            steps=style.above(1, warning=0.5),
            **percent(0),
        ),
        number(
            "Share of all ends (1h)",
            "Share of all ends of the last hour, and the baseline share. Normal is about equal.",
            Query(queries.share("1h"), "{{cluster}} {{system}} now"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{cluster}} {{system}} expected"),
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
    ]


def _labels(title: str, description: str, *labels: str) -> Panel:
    info = queries.code_info(queries.ONE_CODE)
    texts = (
        Query(f"max by ({names.SYSTEM}, {label}) ({info})", queries.legend(label), instant=True)
        for label in labels
    )
    return number(
        title,
        description,
        *texts,
        names_only=True,
        size=22,
        overrides=[*style.BY_OUTCOME, *style.TITLES],
        empty="No such code",
    )


def _texts() -> Panel:
    """A row for each text. Its value is the row's number, for the order of the rows."""
    rows = []
    for index, (row, record, label) in enumerate(TEXTS, start=1):
        newest = queries.newest(record, queries.ONE_CODE)
        copied = queries.with_label(f"{index} * {newest}", "text", "$1", label, "(.+)")
        rows.append(queries.with_label(copied, "about", row))
    link = {"custom.width": 90, "links": [variables.to_code_runbook(names.SYSTEM)]}
    return table(
        "Name, causes, fix and owner",
        "Texts of the taxonomy. The first column links to the runbook, which has more.",
        queries.rows(f"sort(max by ({KEYS}, about, text) (\n  " + "\n  or ".join(rows) + "\n))"),
        columns={"about": ("About", link), "text": ("Text", {**style.OWNERS, **style.WRAPPED})},
        dropped=["Time", "Value"],
        hidden=[style.by_name(names.SYSTEM, style.HIDDEN_TEXT), style.HIDDEN_CODE],
        header=False,
    )


def _by_outcome(expr: str, legend: str, *, exemplars: bool = False) -> list[Query]:
    """A query for each outcome, A to C: only that of the code's outcome gives data, in its color."""
    return [
        Query(
            queries.matching(expr, f'{queries.ONE_CODE}, {names.OUTCOME}="{outcome}"'),
            legend,
            exemplars=exemplars,
        )
        for outcome in style.OUTCOMES
    ]


OUTCOME_COLORS: Final = style.by_queries(style.OUTCOMES.values())


def _against_threshold(window: str) -> Panel:
    count = selector(names.RULE_COUNT + window, THIS_CODE)
    threshold = selector(names.RULE_THRESHOLD + window, THIS_CODE)
    return graph(
        f"Ends against threshold ({window})",
        f"Session ends with this code in {window}. The alert needs a count above the threshold (orange, "
        "dashed). The blue dashed line is the expected count. Both follow the traffic.",
        *_by_outcome(count, "{{cluster}} {{system}} ends"),
        Query(threshold, "{{cluster}} {{system}} threshold"),
        Query(queries.expected(window), "{{cluster}} {{system}} expected"),
        decimals=0,
        empty="No data: the code has no baseline yet, or see the panel Data.",
        overrides=[
            *OUTCOME_COLORS,
            style.by_query("D", style.dashed(style.WARNING)),
            style.EXPECTED,
        ],
    )


def _share() -> Panel:
    return graph(
        "Share of all ends (5m)",
        "Share of all session ends in 5m, and the baseline share. If the count rises and the "
        "share does not, only the traffic has grown.",
        *_by_outcome(queries.share("5m"), "{{cluster}} {{system}} share"),
        Query(selector(names.RULE_SHARE, THIS_CODE), "{{cluster}} {{system}} expected"),
        overrides=[*OUTCOME_COLORS, style.EXPECTED],
        **percent(1),
    )


def _ends() -> Panel:
    def rate(counter: str) -> str:
        return f"60 * {queries.counted('rate', counter, [THIS_CODE], queries.RATE_INTERVAL, KEYS)}"

    return graph(
        "Ends per minute",
        "A dot is an example session; its tooltip has the session id. "
        f"With {queries.REPEATS}, which are also a line. Recovered "
        "interruptions are not session ends. Late ends arrived too late for alerts.",
        *_by_outcome(rate(names.SESSION_ENDS), "{{system}} ends", exemplars=True),
        Query(rate(names.SESSION_END_REPEATS), "{{system}} repeats"),
        Query(
            rate(names.SESSION_INTERRUPTIONS), "{{system}} recovered interruptions", exemplars=True
        ),
        Query(rate(names.SESSION_ENDS_LATE), "{{system}} late", exemplars=True),
        decimals=1,
        overrides=style.by_queries((*style.OUTCOMES.values(), "purple", "blue", "yellow")),
    )


def _durations() -> Panel:
    """By outcome: a histogram for each code would be a thousand series."""
    # Replicas of one ledger count once. The histogram has no label `ledger`; the counters of the same
    # exporter have it. `topk` selects one while an exporter replaces a damaged ledger.
    keys = f"{names.SYSTEM}, {names.OUTCOME}"
    of_instance = f"group by ({queries.INSTANCE_KEYS}, {names.LEDGER}) ({names.RULE_SUM})"
    ledger = f"topk by ({queries.INSTANCE_KEYS}) (1, {of_instance})"
    buckets = f"rate({selector(names.SESSION_DURATION + '_bucket', SYSTEMS)}[5m])"
    scraped = total(f"{queries.INSTANCE_KEYS}, {queries.COPIES}, le, {keys}", buckets)
    per_instance = f"max by ({queries.INSTANCE_KEYS}, le, {keys}) ({scraped})"
    of_ledger = (
        f"{per_instance}\n* on ({queries.INSTANCE_KEYS}) group_left ({names.LEDGER}) {ledger}"
    )
    rate = total(f"le, {keys}", f"max by ({names.LEDGER}, le, {keys}) ({of_ledger})")
    chosen = f"{rate}\nand on ({keys}) {queries.code_info(queries.ONE_CODE)}"
    quantiles = (("p90", 0.9, "dark-blue"), ("p50", 0.5, "blue"), ("p10", 0.1, "super-light-blue"))
    return graph(
        "Session duration by outcome (5m)",
        "Duration of all sessions of the system with the outcome of this code: 10 % are below p10, half "
        "below p50. Very short failures never started to stream.",
        *(
            Query(f"histogram_quantile({quantile}, {chosen})", f"{queries.legend(keys)} {name}")
            for name, quantile, _ in quantiles
        ),
        unit="s",
        # Lines would connect nothing: rare ends have many gaps between them.
        custom={"drawStyle": "points", "showPoints": "always", "pointSize": 4},
        overrides=style.by_queries(color for *_, color in quantiles),
        empty="No data: senders give no duration_seconds, or no such session ended.",
    )


def _capacity() -> list[Panel]:
    has_code = f"and on ({names.SYSTEM}) {queries.code_info(queries.ONE_CODE)}"
    users, queued = (
        f"max by ({names.SYSTEM}, {names.PROJECT}) ({selector(metric, SYSTEMS)}) {has_code}"
        for metric in (names.LIVE_USERS, names.QUEUED_USERS)
    )
    return [
        graph(
            "Users streaming",
            "Streaming users of each project, from the platform. Flat at the limit with a growing queue: no "
            "capacity left. A fall: workers were lost.",
            Query(users, "{{system}} {{project}}"),
            decimals=0,
            empty=NO_STATS,
        ),
        graph(
            "Queued users and ends (5m)",
            "Users who wait for a worker (blue), and session ends with this code in 5m. The queue "
            "grows before users are turned away: add capacity.",
            *_by_outcome(queries.count("5m", THIS_CODE), "{{system}} ends with {{code}}"),
            Query(total(names.SYSTEM, queued), "{{system}} users waiting"),
            decimals=0,
            empty=NO_STATS,
            overrides=style.by_queries((*style.OUTCOMES.values(), "blue")),
        ),
    ]
