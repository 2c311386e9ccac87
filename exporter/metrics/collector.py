"""The product's own series, collected from the ledger's totals: what is durable, and nothing else."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter import names
from exporter.ledger.contract import BUCKETS, DurationTotal, Family, Ledger, Total
from exporter.metrics.family import CounterFamily, LabelText

_COUNTERS: Final = {
    Family.ENDS: (names.SESSION_ENDS, "Sessions that ended, by code."),
    Family.LATE: (
        names.SESSION_ENDS_LATE,
        "Session ends reported too late to alert on; not in session_ends_total.",
    ),
    Family.INTERRUPTIONS: (
        names.SESSION_INTERRUPTIONS,
        "Interruptions that recovered; the session went on.",
    ),
}
_BOUNDS: Final = (*(str(bound) for bound in BUCKETS), "+Inf")


class LedgerCollector(Collector):
    """A prometheus-client collector over `ledger.totals()`: one snapshot a scrape.

    `label_names` are the configured labels in the settings' order. Safe to call from any thread, but
    two scrapes at once share a cache of label texts to no gain.
    """

    def __init__(self, label_names: Sequence[str], ledger: Ledger) -> None:
        self._ledger = ledger
        self._texts = LabelText(label_names)

    def collect(self) -> Iterable[Metric]:
        totals = self._ledger.totals()
        texts = self._texts.of(totals.series)
        families: dict[Family, list[Total]] = {family: [] for family in Family}
        for total in totals.series:
            families[total.series.family].append(total)
        for family, (name, text) in _COUNTERS.items():
            yield CounterFamily(
                name, text, totals.ledger, families[family], texts, self._texts.names
            )
        yield _durations(totals.durations)
        # Here and not with the ledger's state: it is to agree with the zeros of this very scrape.
        yield GaugeMetricFamily(
            names.HELD_SERIES,
            "Series that are new and shown as 0 until scrapes have seen them.",
            sum(total.delayed for total in totals.series),
        )


def _durations(durations: Sequence[DurationTotal]) -> HistogramMetricFamily:
    labels = (names.SYSTEM, names.OUTCOME)
    metric = HistogramMetricFamily(
        names.SESSION_DURATION, "Duration of sessions at their final end.", labels=labels
    )
    for one in durations:
        cell = (one.system, one.outcome)
        buckets = list(zip(_BOUNDS, accumulate(one.counts), strict=True))
        metric.add_metric(cell, buckets, one.total)
        created = dict(zip(labels, cell, strict=True))
        metric.samples.append(Sample(f"{names.SESSION_DURATION}_created", created, one.created))
    return metric
