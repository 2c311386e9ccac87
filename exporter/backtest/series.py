"""The series that Prometheus would have scraped from the exporter of one system."""

from typing import Final

import numpy as np

from exporter import names
from exporter.backtest.counters import Counters, Floats
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, labels
from exporter.taxonomy.model import System, Taxonomy

TARGET: Final = {"job": "session-end-exporter", "instance": "backtest"}


def scraped(counters: Counters, system: System) -> list[Samples]:
    """The counters, and what the exporter tells of their codes: names, severities, objective."""
    known = {code.code: code for code in (*system.codes, system.unknown)}
    ends = [
        {
            names.SYSTEM: system.system,
            names.CODE: code.code,
            names.PHASE: code.phase,
            names.CATEGORY: code.category,
            names.OUTCOME: code.outcome.value,
            names.LEDGER: "backtest",
        }
        for code in (known[code] for code in counters.codes)
    ]
    totals = counters.totals.T.astype(np.float64)
    found = [_samples(counters, names.SESSION_ENDS, ends, totals)]
    for family in TaxonomyCollector(Taxonomy({system.system: system}), "", "").collect():
        words = [
            sample
            for sample in family.samples
            if sample.labels.get(names.CODE, counters.codes[0]) in counters.codes
        ]
        if words:
            values = np.array([[sample.value] for sample in words])
            rows = [sample.labels for sample in words]
            found.append(_samples(counters, words[0].name, rows, values))
    start = np.array([[counters.start]])
    return [*found, _samples(counters, "process_start_time_seconds", [{}], start)]


def _samples(
    counters: Counters, metric: str, rows: list[dict[str, str]], values: Floats
) -> Samples:
    """`values` of one column are those of all scrapes, which then share its memory."""
    times = np.round(counters.times(np.arange(len(counters.present))) * 1000).astype(np.int64)
    shape = len(rows), len(times)
    named = [labels({METRIC_NAME: metric, **row, **TARGET}) for row in rows]
    present = np.broadcast_to(counters.present, shape)
    return Samples.of(times, named, np.broadcast_to(values, shape), present)
