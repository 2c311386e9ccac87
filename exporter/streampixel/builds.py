"""Streampixel's build events, their series, and the metrics made from the ledger's totals."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.ledger.contract import Family, Ledger, Series, Totals

SYSTEM: Final = "streampixel"
EventName = Literal[
    "build.uploaded",
    "build.downloading",
    "build.extracting",
    "build.saving",
    "build.distributing",
    "build.approved",
    "build.rejected",
    "webhook.test",
]
"""Names in the order of Streampixel's pipeline (docs.streampixel.io, "Webhook event reference").

The test button of Streampixel's dashboard sends `webhook.test`.
"""
EVENTS: Final[tuple[str, ...]] = get_args(EventName)


def build_series(label_names: Sequence[str]) -> dict[str, Series]:
    """The series of each event. The configured labels are empty: builds have none of them."""
    labels = ("",) * len(label_names)
    return {event: Series(Family.BUILDS, SYSTEM, event, "", "", "", labels) for event in EVENTS}


def last_build_times(totals: Totals) -> dict[str, float]:
    """Unix time of the last occurrence of each event; events that never happened are absent.

    The ledger stores the time as the text of the exemplar, in the transaction that counts the event.
    """
    return {
        total.series.code: float(total.exemplar.session_id)
        for total in totals.series
        if total.series.family is Family.BUILDS and total.exemplar is not None
    }


class BuildsCollector(Collector):
    """Exports the build series of a ledger. Without a webhook the ledger has none: nothing is exported."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Metric]:
        totals = self._ledger.totals()
        builds = [total for total in totals.series if total.series.family is Family.BUILDS]
        if not builds:
            return
        labels = (names.SYSTEM, names.EVENT)
        count = CounterMetricFamily(
            names.PLATFORM_BUILDS,
            "Build events of the platform, by the event's name.",
            labels=(*labels, names.LEDGER),
        )
        last = GaugeMetricFamily(
            names.PLATFORM_LAST_BUILD,
            "Unix time of the last build event with this name; 0 for never.",
            labels=labels,
        )
        times = last_build_times(totals)
        for total in builds:
            event = total.series.code
            count.add_metric((SYSTEM, event, totals.ledger), total.value, created=total.created)
            last.add_metric((SYSTEM, event), times.get(event, 0.0))
        yield count
        yield last
