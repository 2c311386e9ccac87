"""The users of each project as gauges that vanish when nobody knows any more."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.builds.events import SYSTEM
from exporter.live.failures import REASONS
from exporter.live.poller import Poller

_LABELS: Final = (names.SYSTEM, names.PROJECT)


def failures(registry: CollectorRegistry) -> Counter:
    """Questions without an answer by reason, all of them there at 0."""
    counter = Counter(
        names.LIVE_STATS_FAILURES,
        "Questions to the platform about live users that had no answer.",
        (names.SYSTEM, names.REASON),
        registry=registry,
    )
    for reason in REASONS:
        counter.labels(SYSTEM, reason)
    return counter


class LiveCollector(Collector):
    """A prometheus-client collector over what a poller learned last."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def collect(self) -> Iterable[Metric]:
        poller = self._poller
        live = GaugeMetricFamily(
            names.LIVE_USERS, "Users streaming now, as the platform says.", labels=_LABELS
        )
        queued = GaugeMetricFamily(
            names.QUEUED_USERS, "Users waiting for a worker, as the platform says.", labels=_LABELS
        )
        success = GaugeMetricFamily(
            names.LIVE_STATS_SUCCESS,
            "When the platform last told a project's users, Unix time; 0 for never.",
            labels=_LABELS,
        )
        now = poller.clock()
        for project in poller.projects:
            key = (SYSTEM, project.id)
            success.add_metric(key, project.at)
            found = project.fresh(now, poller.interval)
            if found is not None:
                live.add_metric(key, found.live)
                queued.add_metric(key, found.queued)
        yield live
        yield queued
        yield success
