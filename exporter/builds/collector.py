"""The series of builds, collected from the ledger's totals: what is durable, and nothing else."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.builds.last import last_builds
from exporter.ledger.contract import Family, Ledger

_COUNTED: Final = "Build events of the platform, by the event's name."
_LAST: Final = "When the build event happened last, Unix time; 0 for never."


class BuildsCollector(Collector):
    """A prometheus-client collector over `ledger.totals()`; shows nothing while the ledger has no builds,
    which it has from the start when the webhook is set up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Metric]:
        totals = self._ledger.totals()
        builds = [total for total in totals.series if total.series.family is Family.BUILDS]
        if not builds:
            return
        labels = (names.SYSTEM, names.EVENT)
        counted = CounterMetricFamily(
            names.PLATFORM_BUILDS, _COUNTED, labels=(*labels, names.LEDGER)
        )
        last = GaugeMetricFamily(names.PLATFORM_LAST_BUILD, _LAST, labels=labels)
        times = last_builds(totals)
        for total in builds:
            key = (total.series.system, total.series.code)
            counted.add_metric((*key, totals.ledger), total.value, created=total.created)
            last.add_metric(key, times.get(key, 0.0))
        yield counted
        yield last
