"""Metrics of session ends, made from the ledger's durable totals, and the zero-initialized series."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.ledger.contract import (
    BUCKETS,
    OF_SESSIONS,
    Cell,
    DurationTotal,
    Family,
    Ledger,
    Series,
    Total,
)
from exporter.metrics.exposition import CounterLines, Sums
from exporter.taxonomy.model import Outcome, Taxonomy

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
    """Exports one snapshot of `ledger.totals()` per scrape. Thread-safe.

    `label_names` are the configured labels in the settings' order.
    """

    def __init__(self, label_names: Sequence[str], ledger: Ledger) -> None:
        self._ledger = ledger
        self._label_names = label_names
        self._counters = {
            family: CounterLines(name, text, label_names)
            for family, (name, text) in _COUNTERS.items()
        }
        of_code = (names.SYSTEM, names.CODE, names.OUTCOME)
        self._repeats = Sums(
            names.SESSION_END_REPEATS,
            "Second and later ends of one user with one code within 15 minutes; also in session_ends_total.",
            of_code,
            lambda series: [(series.system, series.code, series.outcome)],
        )
        self._by_label = Sums(
            names.SESSION_ENDS_BY_LABEL,
            "The ends of session_ends_total by the values of each configured label alone.",
            (*of_code, names.LABEL, names.VALUE),
            lambda series: [
                (series.system, series.code, series.outcome, label, value)
                for label, value in zip(label_names, series.labels, strict=True)
                if value
            ],
        )

    def collect(self) -> Iterable[Metric]:
        totals = self._ledger.totals()
        families: dict[Family, list[Total]] = {family: [] for family in Family}
        for total in totals.series:
            families[total.series.family].append(total)
        for family, counter in self._counters.items():
            yield counter.family(totals.ledger, families[family])
        if self._label_names:
            ends = families[Family.ENDS]
            yield self._by_label.family(
                totals.ledger,
                [total.series for total in ends],
                [0 if total.delayed else total.value for total in ends],
            )
        # The repeats among the ends that this scrape exports: their difference never goes down.
        delayed = {total.series.key[1:] for total in families[Family.ENDS] if total.delayed}
        repeats = families[Family.REPEATS]
        yield self._repeats.family(
            totals.ledger,
            [total.series for total in repeats],
            [
                0 if delayed and total.series.key[1:] in delayed else total.value
                for total in repeats
            ],
        )
        yield _durations(totals.durations)
        # From the same snapshot as the zeros that it counts.
        yield GaugeMetricFamily(
            names.FIRST_SEEN_ZERO_SERIES,
            "New series that are exported as 0 until scrapes have seen them.",
            sum(total.delayed for total in totals.series),
        )


def _durations(durations: Sequence[DurationTotal]) -> HistogramMetricFamily:
    text = "Duration of sessions at their final end."
    labels = (names.SYSTEM, names.OUTCOME)
    metric = HistogramMetricFamily(names.SESSION_DURATION, text, labels=labels)
    for duration in durations:
        buckets = list(zip(_BOUNDS, accumulate(duration.counts), strict=True))
        metric.add_metric((duration.system, duration.outcome), buckets, duration.total)
    return metric


def zero_series(taxonomy: Taxonomy, label_names: Sequence[str]) -> list[Series]:
    """The zero-initialized series: a series for each counter of the ledger and each code, with `unknown`."""
    # Prometheus needs a 0 to see the first increase. Configured labels are empty, which to Prometheus means
    # absent: their values are unknown before the first event.
    labels = ("",) * len(label_names)
    return [
        Series(family, name, code.code, code.phase, code.category, code.outcome.value, labels)
        for family in (*OF_SESSIONS, Family.REPEATS)
        for name, system in taxonomy.systems.items()
        for code in system.all_codes
    ]


def zero_durations(taxonomy: Taxonomy) -> list[Cell]:
    """System and outcome of each zero-initialized duration histogram."""
    return [
        (name, outcome.value)
        for name, system in taxonomy.systems.items()
        for outcome in Outcome
        if outcome in {code.outcome for code in system.all_codes}
    ]
