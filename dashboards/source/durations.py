"""Durations of sessions that ended with the outcome of the chosen code."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.panels import About, Query
from dashboards.source.queries import (
    INSTANCE,
    RATE_INTERVAL,
    SYSTEMS,
    THIS_CODE,
    selector,
    total,
)
from exporter import names

QUANTILES: Final = (0.1, 0.5, 0.9)


def durations() -> models.Panel:
    """By outcome: a histogram for each code would be a thousand series."""
    about = About(
        title="Session duration by outcome",
        description="Durations of all sessions of the system that ended with this code's outcome: a tenth "
        "is below p10, half below p50. Failures that come sooner than normal never started to stream.",
        empty="No data: senders give no duration_seconds, or no such session ended.",
        unit="s",
    )
    keys = f"{names.SYSTEM}, {names.OUTCOME}"
    chosen = f"and on ({keys}) {selector(names.RULE_CODE_INFO, THIS_CODE)}"
    return panels.graph(
        about,
        [
            Query(
                f"histogram_quantile({part}, {_rate(keys)}\n{chosen})",
                f"{{{{system}}}} {{{{outcome}}}} p{100 * part:.0f}",
            )
            for part in QUANTILES
        ],
    )


def _rate(keys: str) -> str:
    """Replicas of one ledger count once. The histogram lacks the label `ledger`, so the counters of the same
    exporter give it: a single ledger, also while an exporter replaces a damaged ledger."""
    ledger = f"topk by ({INSTANCE}) (1, group by ({INSTANCE}, {names.LEDGER}) ({names.RULE_SUM}))"
    rate = f"rate({selector(names.SESSION_DURATION + '_bucket', SYSTEMS)}[{RATE_INTERVAL}])"
    per_instance = total(f"{INSTANCE}, le, {keys}", rate)
    of_ledger = f"{per_instance}\n* on ({INSTANCE}) group_left ({names.LEDGER}) {ledger}"
    return total(f"le, {keys}", f"max by ({names.LEDGER}, le, {keys}) ({of_ledger})")
