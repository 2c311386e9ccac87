"""Counters that are sums over series of the ledger, added up at each scrape.

The series of each sum are found when the series change, so that a scrape only adds: 10,000 series with two
labels take 1 ms.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from exporter import names
from exporter.ledger.contract import Series
from exporter.metrics.family import WrittenFamily, counter_header, label_text

Row = tuple[str, ...]
"""Values of the labels of a sum."""


class _Layout(NamedTuple):
    """The sums of a list of series: the places in the list that each sum adds, by its name and labels."""

    ledger: str
    series: Sequence[Series]
    places: dict[str, list[int]]


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

        def write(openmetrics: bool) -> Sequence[bytes]:
            header = counter_header(self._name, self._documentation, openmetrics)
            lines = [
                f"{head} {sum(map(values.__getitem__, places))}\n"
                for head, places in layout.places.items()
            ]
            return header, "".join(lines).encode("utf-8", "replace")

        return WrittenFamily(self._name, self._documentation, "counter", write)

    def _arranged(self, ledger: str, series: Sequence[Series]) -> _Layout:
        rows: dict[Row, list[int]] = {}
        for place, each in enumerate(series):
            for row in self._rows(each):
                rows.setdefault((*row, ledger), []).append(place)
        heads = (f"{self._name}_total{label_text(self._label_names, row)}" for row in rows)
        return _Layout(ledger, series, dict(zip(heads, rows.values(), strict=True)))
