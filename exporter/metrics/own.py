"""Self-metrics. Every code path that loses, refuses or delays an event increments one of them."""

import platform
from collections.abc import Iterable

import apsw
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

import exporter
from exporter import logs, names
from exporter.errors import IGNORED_REASONS, REFUSALS, REFUSED_REASONS, REJECTED_REASONS
from exporter.ledger.contract import MISCONFIGURATIONS, Ledger, Status

_COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds, from the fsync of a flash disk (0.5 ms) to a disk that hangs."""
_DELAY_BUCKETS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86400.0)
"""Seconds, from live senders to yesterday's file; 900 s is the default `max_event_age`."""
_BOUNDS = ("age", "ids")
"""Why an id left the deduplication window: too old, or too many ids."""
_STATUSES = sorted({200, 204, *(refusal.status for refusal in REFUSALS)})


class OwnMetrics:
    """The exporter's counters about itself.

    The series of closed label sets (`reason`, `status`, `system`, `label`) are zero-initialized.
    """

    def __init__(
        self, registry: CollectorRegistry, systems: Iterable[str], labels: Iterable[str]
    ) -> None:
        # A quarter of all series would tell when a counter was created, and no query needs that.
        disable_created_metrics()  # type: ignore[no-untyped-call]

        def counter(
            name: str, text: str, label: str = "", values: Iterable[object] = ()
        ) -> Counter:
            metric = Counter(name, text, (label,) if label else (), registry=registry)
            for value in values:
                metric.labels(value)
            return metric

        self.requests = counter(
            names.REQUESTS, "Ingest requests answered.", names.STATUS, _STATUSES
        )
        self.refused = counter(
            names.REFUSED_REQUESTS,
            "Requests that were refused: none of their events was counted.",
            names.REASON,
            REFUSED_REASONS,
        )
        self.accepted = counter(names.ACCEPTED_EVENTS, "Events counted.")
        self.duplicates = counter(
            names.DUPLICATE_EVENTS, "Events that had been counted before: retries."
        )
        self.rejected = counter(
            names.REJECTED_EVENTS,
            "Events that break a rule or conflict with a counted event.",
            names.REASON,
            REJECTED_REASONS,
        )
        self.late = counter(names.LATE_EVENTS, "Events counted as late.")
        self.at_least_once = counter(
            names.AT_LEAST_ONCE_EVENTS, "Events counted without a key: a retry counts them again."
        )
        self.ignored_fields = counter(
            names.IGNORED_FIELDS,
            "Keys of events that were ignored: they match no field, or a browser's duration is too long.",
        )
        self.ignored_records = counter(
            names.IGNORED_RECORDS,
            "Log records that are no session end.",
            names.REASON,
            IGNORED_REASONS,
        )
        self.unknown = counter(
            names.UNKNOWN_CODE_EVENTS,
            "Events with a code that is not in the taxonomy.",
            names.SYSTEM,
            systems,
        )
        self.capped = counter(
            names.CAPPED_LABELS,
            "Label values replaced by `other` because the label has too many.",
            names.LABEL,
            labels,
        )
        self.commit_failures = counter(
            names.COMMIT_FAILURES,
            "Ledger transactions that failed, whose events were answered 503.",
        )
        self.commit_seconds = Histogram(
            names.COMMIT_SECONDS,
            "Time of a ledger transaction, fsync included.",
            buckets=_COMMIT_BUCKETS,
            registry=registry,
        )
        self.event_delay = Histogram(
            names.EVENT_DELAY,
            "Age of the oldest event of a request at its receipt.",
            buckets=_DELAY_BUCKETS,
            registry=registry,
        )
        self.scrape_seconds = Histogram(
            names.SCRAPE_SECONDS,
            "Time to render /metrics.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=registry,
        )


class StateCollector(Collector):
    """Exports `ledger.status()` and the versions of the build."""

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
    # Redis forgets ids by age only: its window has no capacity, and a gauge of 0 would mean "empty".
    if status.window_capacity:
        capacity = "Ids that the deduplication window can hold."
        span = "Age of the oldest id in the deduplication window."
        yield names.WINDOW_IDS, "Ids in the deduplication window.", status.window_ids
        yield names.WINDOW_CAPACITY, capacity, status.window_capacity
        yield names.WINDOW_SPAN, span, status.window_span
