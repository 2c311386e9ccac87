"""The product's own series, collected from the ledger's totals: what is durable, and nothing else."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter import names
from exporter.ledger.contract import BUCKETS, DurationTotal, Family, Ledger, Total
from exporter.metrics.family import CounterFamily, LabelText
from exporter.taxonomy.model import Code, Taxonomy

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

    def __init__(self, taxonomy: Taxonomy, label_names: Sequence[str], ledger: Ledger) -> None:
        self._ledger = ledger
        self._texts = LabelText(label_names)
        self._info = _code_info(taxonomy)

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
        yield self._info
        # Here and not with the ledger's state: it is to agree with the zeros of this very scrape.
        yield GaugeMetricFamily(
            names.HELD_SERIES,
            "Series that are new and shown as 0 until scrapes have seen them.",
            sum(total.held for total in totals.series),
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


def _code_info(taxonomy: Taxonomy) -> InfoMetricFamily:
    """Constant while the process lives. An OpenMetrics info is a gauge of 1 in the text format."""
    metric = InfoMetricFamily(
        names.SESSION_END_CODE_INFO.removesuffix("_info"), "What a code means, and whose it is."
    )
    for system in taxonomy.systems.values():
        for code in (*system.codes, system.unknown):
            metric.add_metric((), _meaning(code))
    return metric


def _meaning(code: Code) -> dict[str, str]:
    return {
        names.SYSTEM: code.system,
        names.CODE: code.code,
        names.NAME: code.name,
        names.PHASE: code.phase,
        names.CATEGORY: code.category,
        names.OUTCOME: code.outcome.value,
        names.OWNER: code.owner.value,
    }
