"""One system's counters, and the series that Prometheus would have scraped from its exporter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter import names
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.names import UNKNOWN
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, labels
from exporter.taxonomy.model import System, Taxonomy

Totals = NDArray[np.int64]
_TARGET: Final = {"job": "session-end-exporter", "instance": "backtest"}


@dataclass(frozen=True, slots=True)
class Counters:
    """Row i is the scrape at `start + i * step` (Unix seconds).

    `totals`, (rows, codes), are running sums of each code's ends; `present`, (rows,), is False where the
    scrape failed. `repeats` are running sums of the second and later ends of a user, None without
    users. `by_label` has the running sums for each label and value. Counters are never reset: the exporter's
    survive restarts.
    """

    system: str
    start: float
    step: int
    codes: tuple[str, ...]
    totals: Totals
    present: Flags
    repeats: Totals | None = None
    by_label: Mapping[tuple[str, str], Totals] = field(default_factory=dict)

    @property
    def end(self) -> float:
        """The last scrape, Unix seconds."""
        return self.start + (len(self.totals) - 1) * self.step

    def series(self, system: System) -> list[Samples]:
        """The counters, and what the exporter exports about their codes: names, severities, objective."""
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
            for code in (known[code] for code in self.codes)
        ]
        short = [
            {name: row[name] for name in (names.SYSTEM, names.CODE, names.OUTCOME, names.LEDGER)}
            for row in ends
        ]
        repeats = np.zeros((1, len(self.codes))) if self.repeats is None else self.repeats
        result = [
            self._samples(names.SESSION_ENDS, ends, self.totals.T.astype(np.float64)),
            self._samples(names.SESSION_END_REPEATS, short, repeats.T.astype(np.float64)),
        ]
        for (label, value), totals in self.by_label.items():
            rows = [{**row, names.LABEL: label, names.VALUE: value} for row in short]
            values = totals.T.astype(np.float64)
            result.append(self._samples(names.SESSION_ENDS_BY_LABEL, rows, values))
        for family in TaxonomyCollector(Taxonomy({system.system: system}), "", "").collect():
            samples = [
                sample
                for sample in family.samples
                if sample.labels.get(names.CODE, self.codes[0]) in self.codes
            ]
            if samples:
                values = np.array([[sample.value] for sample in samples])
                rows = [sample.labels for sample in samples]
                result.append(self._samples(samples[0].name, rows, values))
        start = np.array([[self.start]])
        return [*result, self._samples("process_start_time_seconds", [{}], start)]

    def exporter_series(self, all_counters: Sequence["Counters"]) -> list[Samples]:
        """The exporter's counts of unknown codes of this system, and of accepted events of all systems."""
        if UNKNOWN not in self.codes:
            return []
        rows = np.arange(len(self.totals))
        accepted = np.zeros(len(rows), np.int64)
        for counters in all_counters:
            same = rows + round((self.start - counters.start) / self.step)
            accepted += counters.totals.sum(axis=1)[same.clip(0, len(counters.totals) - 1)]
        unknown = self.totals[:, self.codes.index(UNKNOWN)]
        return [
            self._samples(metric, [labels_of], totals[np.newaxis].astype(np.float64))
            for metric, labels_of, totals in (
                (names.UNKNOWN_CODE_EVENTS, {names.SYSTEM: self.system}, unknown),
                (names.ACCEPTED_EVENTS, {}, accepted),
            )
        ]

    def _samples(self, metric: str, rows: list[dict[str, str]], values: Floats) -> Samples:
        """The samples of a metric. A single column of `values` applies to all scrapes, without copies."""
        times = self.start + np.arange(len(self.totals)) * float(self.step)
        shape = len(rows), len(times)
        return Samples.of(
            np.round(times * 1000).astype(np.int64),
            [labels({METRIC_NAME: metric, **row, **_TARGET}) for row in rows],
            np.broadcast_to(values, shape),
            np.broadcast_to(self.present, shape),
        )
