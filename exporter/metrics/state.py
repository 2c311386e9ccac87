"""The ledger's state and the build, as gauges: what an operator looks at when ingest answers 503."""

import platform
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

import exporter
from exporter import logs, names
from exporter.ledger.contract import MISCONFIGURATIONS, Ledger, Status

_BOUNDS = ("age", "ids")
"""Why an id left the deduplication window: it was too old, or there were too many."""


class StateCollector(Collector):
    """A prometheus-client collector over `ledger.status()`; `sqlite` is the version of the library."""

    def __init__(self, ledger: Ledger, *, sqlite: str) -> None:
        self._ledger = ledger
        self._build = InfoMetricFamily(
            names.BUILD_INFO.removesuffix("_info"),
            "What is running.",
            {
                names.VERSION: exporter.__version__,
                names.PYTHON: platform.python_version(),
                names.SQLITE: sqlite,
            },
        )

    def collect(self) -> Iterable[Metric]:
        status = self._ledger.status()
        gauges = (
            (
                names.LEDGER_WRITABLE,
                "1 when the ledger takes events, 0 when they are answered 503.",
                float(status.problem is None),
            ),
            (
                names.LEDGER_SIZE,
                "Bytes of the ledger, on disk or in the memory of Redis.",
                status.size_bytes,
            ),
            (
                names.LEDGER_DAMAGED,
                "When a damaged ledger was last moved aside; 0 for never.",
                status.damaged_at,
            ),
            (names.QUEUE_EVENTS, "Events waiting for the disk.", status.queue_events),
            (names.QUEUE_BYTES, "Bytes of the batches waiting for the disk.", status.queue_bytes),
        )
        for name, text, value in (*gauges, *_window(status)):
            yield GaugeMetricFamily(name, text, value)
        yield CounterMetricFamily(
            names.LOG_LOST_LINES,
            "Log lines that could not be written to stderr.",
            logs.lost_lines(),
        )
        yield CounterMetricFamily(
            names.LEDGER_LOST,
            "Counted events that a failover of Redis lost.",
            status.lost_events,
        )
        misconfigured = GaugeMetricFamily(
            names.LEDGER_MISCONFIGURED,
            "1 when the configuration of Redis can lose counts or ids.",
            labels=(names.SETTING,),
        )
        for setting in MISCONFIGURATIONS:
            misconfigured.add_metric((setting,), float(setting in status.misconfigured))
        yield misconfigured
        expired = CounterMetricFamily(
            names.WINDOW_EXPIRED,
            "Ids that left the deduplication window, by the bound that they hit.",
            labels=(names.BOUND,),
        )
        for bound in _BOUNDS:
            expired.add_metric((bound,), status.window_expired.get(bound, 0))
        yield expired
        yield self._build


def _window(status: Status) -> tuple[tuple[str, str, float], ...]:
    """The deduplication window's gauges. An engine that forgets ids by their age alone has no window to
    fill, and a gauge of 0 would say that it is empty."""
    if not status.window_capacity:
        return ()
    return (
        (names.WINDOW_IDS, "Ids in the deduplication window.", status.window_ids),
        (
            names.WINDOW_CAPACITY,
            "Ids that the deduplication window can hold.",
            status.window_capacity,
        ),
        (
            names.WINDOW_SPAN,
            "Age of the oldest id in the deduplication window.",
            status.window_span,
        ),
    )
