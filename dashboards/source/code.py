"""Session ends: one code. The target of an alert's link: counts against thresholds, and the fix."""

from typing import Final

from dashboards.source import queries, style, variables
from dashboards.source.alert_list import alert_list
from dashboards.source.layout import Dashboard, Section, Strip, build
from dashboards.source.links import CODE_UID, to_code_runbook
from dashboards.source.panels import Panel, graph, number, percent, table
from dashboards.source.queries import (
    INSTANCE,
    KEYS,
    SPIKE_WINDOWS,
    SYSTEMS,
    THIS_CODE,
    Query,
    selector,
    total,
)
from exporter import names

NO_THRESHOLD: Final = (
    "No data: the code has no baseline yet, or the recording rules are not loaded."
)
NO_CODE: Final = "No data: no exporter has this code in its taxonomy."
NO_STATS: Final = (
    "No data: live stats are off (live_stats_projects) or down, or the system has none."
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
        Strip(4, _summary(), (8, 5, 4, 7)),
        Strip(6, [_texts(), alert_list(THIS_CODE)], (16, 8)),
        Strip(9, [_against_threshold(window) for window in SPIKE_WINDOWS]),
    )
    details = [Strip(8, [_share(), _by_label()]), Strip(8, [_ends(), _durations()])]
    hours = [_against_threshold(window) for window in ("6h", "1d")]
    return build(
        CODE_UID,
        "Session ends: one code",
        "How many sessions end with this code, is that more than expected, whom does it "
        "affect, and what is the fix?",
        [
            Section("", first),
            Section("Share, labels and duration", details),
            Section("Platform capacity", [Strip(8, _capacity())]),
            Section("Long windows", [Strip(8, hours)]),
        ],
        [variables.system(), variables.code(), variables.label()],
        alerts=[THIS_CODE],
        range="now-3h",
        builds=True,
    )


def _summary() -> list[Panel]:
    return [
        number(
            "Count against threshold",
            "Count / spike threshold in each window. From 100 % the code spikes; below 50 % is normal. A "
            "code with severity none has no alert.",
            *(
                Query(queries.of_threshold(window, THIS_CODE), f"{{{{system}}}} {window}")
                for window in SPIKE_WINDOWS
            ),
            steps=style.above(1, warning=0.5),
            sparkline=True,
            empty=NO_THRESHOLD,
            **percent(0),
        ),
        number(
            "Share of all ends (1h)",
            "Share of all session ends of the last hour, and the baseline share (median of a week). Normal "
            "is about equal.",
            Query(queries.share("1h", THIS_CODE), "{{system}} now"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
            **percent(2),
        ),
        _labels(
            "Owner", "Team that acts on a spike of this code, for each chosen system.", names.OWNER
        ),
        _labels(
            "Phase, category, outcome",
            "Phase in which the session ends, category of the code, and outcome.",
            *(names.PHASE, names.CATEGORY, names.OUTCOME),
        ),
    ]


def _labels(title: str, description: str, *labels: str) -> Panel:
    """Labels of the code, as text."""
    info = selector(names.RULE_CODE_INFO, THIS_CODE)
    texts = (
        Query(f"max by ({names.SYSTEM}, {label}) ({info})", f"{{{{{label}}}}}", instant=True)
        for label in labels
    )
    return number(
        title, description, *texts, names_only=True, overrides=style.BY_OUTCOME, empty=NO_CODE
    )


def _texts() -> Panel:
    """A row for each text. Its value is the row's number, for the order of the rows."""
    rows = []
    for index, (row, record, label) in enumerate(TEXTS, start=1):
        copied = f'label_replace({index} * {selector(record, THIS_CODE)}, "text", "$1", "{label}", "(.+)")'
        rows.append(queries.with_label(copied, "about", row))
    properties = {
        **style.TEXT,
        "custom.cellOptions": {"type": "auto", "wrapText": True},
        "custom.inspect": True,
        "links": [to_code_runbook(names.SYSTEM)],
    }
    return table(
        "Name, causes, fix and owner",
        "Texts of the taxonomy. They link to the runbook, which adds the meaning and diagnostic queries.",
        queries.rows(f"sort(max by ({KEYS}, about, text) (\n  " + "\n  or ".join(rows) + "\n))"),
        columns={"about": ("About", {"custom.width": 120}), "text": ("Text", properties)},
        dropped=["Time", "Value"],
        hidden=[style.HIDDEN_SYSTEM, style.HIDDEN_CODE],
        header=False,
        empty=NO_CODE,
    )


def _against_threshold(window: str) -> Panel:
    """A query for each outcome gives the count the color of the code's outcome."""
    count = selector(names.RULE_COUNT + window, THIS_CODE)
    counts = [queries.matching(count, f'{names.OUTCOME}="{outcome}"') for outcome in style.OUTCOMES]
    colors = zip("ABC", style.OUTCOMES.values(), strict=True)
    return graph(
        f"Ends against threshold ({window})",
        f"Session ends with this code in {window}. The alert needs a count above the threshold (orange, "
        "dashed). The blue dashed line is the expected count. Both follow the traffic.",
        *(Query(expr, "{{system}} ends") for expr in counts),
        Query(selector(names.RULE_THRESHOLD + window, THIS_CODE), "{{system}} threshold"),
        Query(queries.expected(window, THIS_CODE), "{{system}} expected"),
        decimals=0,
        empty=NO_THRESHOLD,
        overrides=[
            *(style.by_query(ref, style.colored(color)) for ref, color in colors),
            style.by_regexp("/ threshold$/", style.reference_line(style.WARNING)),
            style.EXPECTED,
        ],
    )


def _share() -> Panel:
    return graph(
        "Share of all ends (5m)",
        "Share of all session ends in 5m, and the baseline share. If the count rises and the "
        "share does not, only the traffic has grown.",
        Query(queries.share("5m", THIS_CODE), "{{system}} share"),
        Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
        overrides=[style.EXPECTED],
        **percent(1),
    )


def _by_label() -> Panel:
    rate = queries.per_minute(names.SESSION_ENDS, "$label", THIS_CODE)
    return graph(
        "Ends per minute by $label",
        "Session ends by the label chosen above (exporter setting `labels`). A value far above the "
        "others points to a region, project or build.",
        Query(rate, "{{$label}}", exemplars=True),
        empty="No data: no such ends, or the exporter's setting `labels` keeps no label.",
    )


def _ends() -> Panel:
    def rate(counter: str, legend: str) -> Query:
        expr = queries.per_minute(counter, names.SYSTEM, THIS_CODE)
        return Query(expr, f"{{{{system}}}} {legend}", exemplars=True)

    return graph(
        "Ends per minute",
        "A dot is an example session; its tooltip has the session id. Healed interruptions are not session "
        "ends. Late ends arrived too late for alerts.",
        rate(names.SESSION_ENDS, "ends"),
        rate(names.SESSION_INTERRUPTIONS, "healed interruptions"),
        rate(names.SESSION_ENDS_LATE, "late"),
        empty="No data: Prometheus scrapes no exporter, or the chosen systems do not have the code.",
    )


def _durations() -> Panel:
    """By outcome: a histogram for each code would be a thousand series.

    Replicas of one ledger count once. The histogram has no label `ledger`; the counters of the same
    exporter have it. `topk` selects one while an exporter replaces a damaged ledger.
    """
    keys = f"{names.SYSTEM}, {names.OUTCOME}"
    ledger = f"topk by ({INSTANCE}) (1, group by ({INSTANCE}, {names.LEDGER}) ({names.RULE_SUM}))"
    buckets = selector(names.SESSION_DURATION + "_bucket", SYSTEMS)
    per_instance = total(f"{INSTANCE}, le, {keys}", f"rate({buckets}[{queries.RATE_INTERVAL}])")
    of_ledger = f"{per_instance}\n* on ({INSTANCE}) group_left ({names.LEDGER}) {ledger}"
    rate = total(f"le, {keys}", f"max by ({names.LEDGER}, le, {keys}) ({of_ledger})")
    chosen = f"{rate}\nand on ({keys}) {selector(names.RULE_CODE_INFO, THIS_CODE)}"
    quantiles = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
    return graph(
        "Session duration by outcome",
        "Duration of all sessions of the system with the outcome of this code: 10 % are below p10, half "
        "below p50. Very short failures never started to stream.",
        *(
            Query(f"histogram_quantile({quantile}, {chosen})", "{{system}} {{outcome}} " + name)
            for name, quantile in quantiles.items()
        ),
        unit="s",
        empty="No data: senders give no duration_seconds, or no such session ended.",
    )


def _capacity() -> list[Panel]:
    users, queued = (
        f"max by ({names.SYSTEM}, {names.PROJECT}) ({selector(metric, SYSTEMS)})"
        for metric in (names.LIVE_USERS, names.QUEUED_USERS)
    )
    counts = selector(names.RULE_COUNT + "5m", THIS_CODE)
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
            "Users who wait for a worker (orange), and session ends with this code in 5m. The queue "
            "grows before users are turned away: add capacity.",
            Query(total(names.SYSTEM, queued), "{{system}} users waiting"),
            Query(counts, "{{system}} ends with {{code}}"),
            decimals=0,
            empty=NO_STATS,
            overrides=[style.by_regexp("/ users waiting$/", style.colored(style.WARNING))],
        ),
    ]
