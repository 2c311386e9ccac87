"""How long sessions lasted before they ended as the chosen code says."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards import panels
from exporter.render.dashboards.panels import About, Query
from exporter.render.dashboards.queries import (
    RATE_INTERVAL,
    SYSTEMS,
    THIS_CODE,
    of,
    summed,
)
from exporter.render.promql import INSTANCE, number

QUANTILES: Final = (0.1, 0.5, 0.9)


def durations() -> models.Panel:
    """Of the code's outcome: a histogram for each code would be a thousand series."""
    about = About(
        title="How long did such sessions last before they ended?",
        reading="Durations of all sessions of the system with this code's outcome, at their end: a tenth "
        "ended before p10, half before p50. Failures that come sooner than usual never got going; "
        "the histogram is not kept by code.",
        empty="No data: senders give no duration_seconds, or no such session ended.",
        unit="s",
    )
    keys = f"{names.SYSTEM}, {names.OUTCOME}"
    chosen = f"and on ({keys}) {of(names.SESSION_END_CODE_INFO, THIS_CODE)}"
    return panels.graph(
        about,
        [
            Query(
                f"histogram_quantile({number(part)}, {_rate(keys)}\n{chosen})",
                f"{{{{system}}}} {{{{outcome}}}} p{100 * part:.0f}",
            )
            for part in QUANTILES
        ],
    )


def _rate(keys: str) -> str:
    """Replicas of one ledger counted once, as in the counters, whose label `ledger` the histogram lacks:
    it is taken from the same exporter's counters. For five minutes after a damaged ledger was replaced
    an exporter has two."""
    ledger = f"topk by ({INSTANCE}) (1, group by ({INSTANCE}, {names.LEDGER}) ({names.RULE_SUM}))"
    rate = f"rate({of(names.SESSION_DURATION + '_bucket', SYSTEMS)}[{RATE_INTERVAL}])"
    per_instance = summed(f"{INSTANCE}, le, {keys}", rate)
    of_ledger = f"{per_instance}\n* on ({INSTANCE}) group_left ({names.LEDGER}) {ledger}"
    return summed(f"le, {keys}", f"max by ({names.LEDGER}, le, {keys}) ({of_ledger})")
