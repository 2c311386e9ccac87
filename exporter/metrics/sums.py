"""Counters that are sums over series of the ledger, added up at each scrape.

The rows of each series are found when the series change, so that a scrape only adds: 10,000 series with two
labels take 1 ms.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exporter import names
from exporter.ledger.contract import Series
from exporter.metrics.family import WrittenFamily, counter_header, label_text

Row = tuple[str, ...]
"""Values of the labels of a sum."""


class _Layout(NamedTuple):
    """The rows of a list of series: `sources` are places in the list, `rows` the row that each adds to."""

    ledger: str
    series: Sequence[Series]
    heads: Sequence[str]
    sources: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


class Sums:
    """A counter whose values are sums over series; `rows` are the rows that a series adds to. Thread-safe."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label_names: Sequence[str],
        rows: Callable[[Series], Iterable[Row]],
    ) -> None:
        self._name = name.removesuffix("_total")
        self._documentation = documentation
        self._label_names = (*label_names, names.LEDGER)
        self._rows = rows
        self._layout: _Layout | None = None

    def family(self, ledger: str, series: Sequence[Series], values: Sequence[int]) -> WrittenFamily:
        """The sums of one scrape, from the value of each series."""
        layout = self._layout
        if layout is None or layout.ledger != ledger or layout.series != series:
            layout = self._layout = self._arranged(ledger, series)
        # Floats are exact to 2**53.
        weights = np.array(values, np.float64)[layout.sources]
        sums = np.bincount(layout.rows, weights, len(layout.heads)).tolist()

        def write(openmetrics: bool) -> Sequence[bytes]:
            header = counter_header(self._name, self._documentation, openmetrics)
            lines = "".join(map("{} {:.0f}\n".format, layout.heads, sums))
            return header, lines.encode("utf-8", "replace")

        return WrittenFamily(self._name, self._documentation, "counter", write)

    def _arranged(self, ledger: str, series: Sequence[Series]) -> _Layout:
        numbers: dict[Row, int] = {}
        pairs = [
            (source, numbers.setdefault((*row, ledger), len(numbers)))
            for source, each in enumerate(series)
            for row in self._rows(each)
        ]
        heads = [f"{self._name}_total{label_text(self._label_names, row)}" for row in numbers]
        sources, rows = np.array(pairs, np.int64).reshape(-1, 2).T
        return _Layout(ledger, series, heads, sources, rows)
