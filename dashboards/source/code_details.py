"""Graphs of a code: thresholds, share, labels, example sessions, durations, and the platform's users."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.panels import NO_ENDS, NO_THRESHOLD, Panel, graph, percent
from dashboards.source.queries import INSTANCE, SYSTEMS, THIS_CODE, Query, selector, total
from exporter import names

WINDOW: Final = "5m"
NO_STATS: Final = (
    "No data: live stats are off (live_stats_projects), the platform's API has not answered for minutes, "
    "or the system has no live stats."
)


def threshold(window: str) -> Panel:
    """A query for each outcome gives the count the color of the code's outcome."""
    count = selector(names.RULE_COUNT + window, THIS_CODE)
    counts = [queries.matching(count, f'{names.OUTCOME}="{outcome}"') for outcome in style.OUTCOMES]
    colors = zip("ABC", style.OUTCOMES.values(), strict=True)
    return graph(
        f"Ends against threshold ({window})",
        f"Ends with this code in the last {window}. The alert needs a count above the dashed "
        "orange threshold, which follows the traffic. The dashed blue line is the count expected at "
        "this traffic.",
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
            f"The part of all ends of {WINDOW} that have this code, and the baseline share. When "
            "the count rises and the share does not, there is more traffic and nothing else.",
            Query(queries.share(WINDOW, THIS_CODE), "{{system}} share"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
            empty=NO_ENDS,
            overrides=[style.EXPECTED],
            **percent(1),
        ),
        graph(
            "Ends per minute by $label",
            "Ends with this code by the label chosen at the top, of the labels that the exporter's "
            "setting `labels` keeps. A value far above the others points at a region, a project or a build.",
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
        "Each dot is a session: its id is in the dot's box and in the exporter's debug log. "
        "Interruptions were healed and are not ends; late ends were reported too late for alerts.",
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
        "Durations of all sessions of the system that ended with this code's outcome: a tenth "
        "is below p10, half below p50. Failures that come sooner than normal never started to stream.",
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
            "Users of each project who stream now, as the platform counts them. A flat line at the "
            "project's limit while the queue grows is a lack of capacity; a fall is a loss of workers.",
            Query(users, "{{system}} {{project}}"),
            decimals=0,
            empty=NO_STATS,
        ),
        graph(
            f"Users waiting, and ends ({WINDOW})",
            f"Users who wait for a worker, in orange, and ends with this code in the last {WINDOW}. "
            "When workers run out, the queue grows first: there is time to add capacity.",
            Query(total(names.SYSTEM, queued), "{{system}} users waiting"),
            Query(counts, "{{system}} ends with {{code}}"),
            decimals=0,
            empty=NO_STATS,
            overrides=[style.by_regexp("/ users waiting$/", style.colored(style.WARNING))],
        ),
    ]
