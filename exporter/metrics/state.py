"""Metrics of the ledger's state and of the build."""

import platform
from collections.abc import Iterable

import apsw
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

import exporter
from exporter import logs, names
from exporter.ledger.contract import MISCONFIGURATIONS, Ledger, Status

_BOUNDS = ("age", "ids")
"""Why an id left the deduplication window: too old, or too many ids."""


class StateCollector(Collector):
    """Exports `ledger.status()`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._build = InfoMetricFamily(
            names.BUILD_INFO.removesuffix("_info"),
            "Versions of the exporter, Python and SQLite.",
            {
                names.VERSION: exporter.__version__,
                names.PYTHON: platform.python_version(),
                names.SQLITE: apsw.sqlite_lib_version(),
            },
        )

    def collect(self) -> Iterable[Metric]:
        status = self._ledger.status()
        for name, text, value in _gauges(status):
            yield GaugeMetricFamily(name, text, value)
        yield CounterMetricFamily(
            names.LOG_LOST_LINES,
            "Log lines that could not be written to stderr.",
            logs.lost_lines(),
        )
        yield CounterMetricFamily(
            names.LEDGER_LOST,
            "Counted events that were lost in a failover of Redis.",
            status.lost_events,
        )
        misconfigured = GaugeMetricFamily(
            names.LEDGER_MISCONFIGURED,
            "1 if a setting of Redis can lose counts or ids.",
            labels=(names.SETTING,),
        )
        for setting in MISCONFIGURATIONS:
            misconfigured.add_metric((setting,), float(setting in status.misconfigured))
        yield misconfigured
        expired = CounterMetricFamily(
            names.WINDOW_EXPIRED,
            "Ids that left the deduplication window, by the bound that they reached.",
            labels=(names.BOUND,),
        )
        for bound in _BOUNDS:
            expired.add_metric((bound,), status.window_expired.get(bound, 0))
        yield expired
        yield self._build


def _gauges(status: Status) -> Iterable[tuple[str, str, float]]:
    writable = "1 when the ledger takes events, 0 when requests with events are answered 503."
    damaged = "Unix time when a damaged ledger was last moved aside; 0 for never."
    yield names.LEDGER_WRITABLE, writable, float(status.problem is None)
    yield (
        names.LEDGER_SIZE,
        "Bytes of the ledger, on disk or in Redis.",
        status.size_bytes,
    )
    yield names.LEDGER_DAMAGED, damaged, status.damaged_at
    yield names.QUEUE_EVENTS, "Events waiting for the ledger.", status.queue_events
    yield names.QUEUE_BYTES, "Bytes of the batches waiting for the ledger.", status.queue_bytes
    # Redis forgets ids by age only: its window has no capacity, and a gauge of 0 would mean "empty".
    if status.window_capacity:
        capacity = "Ids that the deduplication window can hold."
        span = "Age of the oldest id in the deduplication window."
        yield names.WINDOW_IDS, "Ids in the deduplication window.", status.window_ids
        yield names.WINDOW_CAPACITY, capacity, status.window_capacity
        yield names.WINDOW_SPAN, span, status.window_span
