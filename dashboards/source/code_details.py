"""Graphs of a code: thresholds, share, labels, example sessions, durations, and the platform's users."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.panels import NO_THRESHOLD, Panel, graph, percent
from dashboards.source.queries import INSTANCE, SYSTEMS, THIS_CODE, Query, selector, total
from exporter import names

WINDOW: Final = "5m"
NO_STATS: Final = (
    "No data: live stats are off (live_stats_projects) or down, or the system has none."
)


def threshold(window: str) -> Panel:
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


def share_and_labels() -> list[Panel]:
    """The share beside the baseline share, and the ends by a configured label."""
    rate = queries.per_minute(names.SESSION_ENDS, "$label", THIS_CODE)
    return [
        graph(
            f"Share of all ends ({WINDOW})",
            f"Share of all session ends in {WINDOW}, and the baseline share. If the count rises and the "
            "share does not, only the traffic has grown.",
            Query(queries.share(WINDOW, THIS_CODE), "{{system}} share"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
            overrides=[style.EXPECTED],
            **percent(1),
        ),
        graph(
            "Ends per minute by $label",
            "Session ends by the label chosen above (exporter setting `labels`). A value far above the "
            "others points to a region, project or build.",
            Query(rate, "{{$label}}", exemplars=True),
            empty="No data: no such ends, or the exporter's setting `labels` keeps no label.",
        ),
    ]


def ends() -> Panel:
    """Ends with example sessions, interruptions and late ends."""

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


def durations() -> Panel:
    """By outcome: a histogram for each code would be a thousand series.

    Replicas of one ledger count once. The histogram lacks the label `ledger`, so the counters of the same
    exporter give it: a single ledger, also while an exporter replaces a damaged ledger.
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


def live_users() -> list[Panel]:
    """Users of the platform, and the queue beside the ends: it grows before users are turned away."""
    users, queued = (
        f"max by ({names.SYSTEM}, {names.PROJECT}) ({selector(metric, SYSTEMS)})"
        for metric in (names.LIVE_USERS, names.QUEUED_USERS)
    )
    counts = selector(names.RULE_COUNT + WINDOW, THIS_CODE)
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
            f"Queued users and ends ({WINDOW})",
            f"Users who wait for a worker (orange), and session ends with this code in {WINDOW}. The queue "
            "grows before users are turned away: add capacity.",
            Query(total(names.SYSTEM, queued), "{{system}} users waiting"),
            Query(counts, "{{system}} ends with {{code}}"),
            decimals=0,
            empty=NO_STATS,
            overrides=[style.by_regexp("/ users waiting$/", style.colored(style.WARNING))],
        ),
    ]
