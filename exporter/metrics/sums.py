"""Counters that are sums over series of the ledger, added up at each scrape.

The rows of each series are found when the series change, so that a scrape only adds: 10,000 series with two
labels take 1 ms.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client.samples import Sample

from exporter import names
from exporter.ledger.contract import Series
from exporter.metrics.family import WrittenFamily, counter_header, label_text

Row = tuple[str, ...]
"""Values of the labels of a sum."""


class _Layout(NamedTuple):
    """The rows of a list of series: `sources` are places in the list, `rows` the row that each adds to."""

    ledger: str
    series: Sequence[Series]
    labels: Sequence[Row]
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
        self.name: Final = name
        self.documentation: Final = documentation
        self.label_names: Final = (*label_names, names.LEDGER)
        self._rows = rows
        self._layout: _Layout | None = None

    def family(self, ledger: str, series: Sequence[Series], values: Sequence[int]) -> "SumFamily":
        """The sums of one scrape, from the value of each series."""
        layout = self._layout
        if layout is None or layout.ledger != ledger or layout.series != series:
            layout = self._layout = self._arranged(ledger, series)
        # Floats are exact to 2**53.
        weights = np.array(values, np.float64)[layout.sources]
        sums = np.bincount(layout.rows, weights, len(layout.labels))
        return SumFamily(self, layout, list(map(int, sums.tolist())))

    def _arranged(self, ledger: str, series: Sequence[Series]) -> _Layout:
        numbers: dict[Row, int] = {}
        pairs = [
            (source, numbers.setdefault((*row, ledger), len(numbers)))
            for source, each in enumerate(series)
            for row in self._rows(each)
        ]
        heads = [f"{self.name}{label_text(self.label_names, row)}}}" for row in numbers]
        sources, rows = np.array(pairs, np.int64).reshape(-1, 2).T
        return _Layout(ledger, series, list(numbers), heads, sources, rows)


class SumFamily(WrittenFamily):
    """The sums of one scrape."""

    def __init__(self, sums: Sums, layout: _Layout, values: Sequence[int]) -> None:
        self._names, self._layout, self._values = sums.label_names, layout, values
        super().__init__(sums.name.removesuffix("_total"), sums.documentation, "counter")

    def read(self) -> Iterable[Sample]:
        for row, value in zip(self._layout.labels, self._values, strict=True):
            yield Sample(f"{self.name}_total", dict(zip(self._names, row, strict=True)), value)

    def write(self, openmetrics: bool) -> Sequence[bytes]:
        header = counter_header(self.name, self.documentation, openmetrics)
        lines = "".join(map("{} {}\n".format, self._layout.heads, self._values))
        return header, lines.encode("utf-8", "replace")
