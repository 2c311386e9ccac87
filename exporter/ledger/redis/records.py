"""Names and values of counters and duration histograms, as `commit.lua` writes them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from exporter.ledger.contract import BUCKETS, Cell, Exemplar, Family, Series
from exporter.ledger.naming import name_of, series_of

_ZEROS: Final = (0.0,) * (len(BUCKETS) + 2)
"""The numbers of a histogram: its sum, and a count for each bucket and for +Inf."""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a series in one shard, as exported.

    `count` is not below the count that was exported before a failover lost events. A count of ends does not
    include repeats.
    """

    count: int
    exemplar: Exemplar | None

    @classmethod
    def parse(cls, text: bytes) -> "Record":
        """The record in a text; an empty text is a deleted record. Raises `ValueError`."""
        if not text:
            return cls(0, None)
        count, mark, _, _, rest = text.decode("utf-8", "replace").split(" ", 4)
        at, _, session = rest.partition(" ")
        exemplar = None if at == "-" else Exemplar(session, float(at))
        return cls(max(int(count), int(mark)), exemplar)

    def text(self) -> bytes:
        exemplar = f"{self.exemplar.at!r} {self.exemplar.session_id}" if self.exemplar else "-"
        return f"{self.count} 0 0 0 {exemplar}".encode()

    def raised_to(self, earlier: "Record") -> "Record":
        """This record, if it is not below the earlier record; else a record with the earlier count."""
        if self.count >= earlier.count:
            return self
        return Record(earlier.count, self.exemplar or earlier.exemplar)


@dataclass(frozen=True, slots=True)
class Histogram:
    """The record of a histogram in one shard: sum in seconds and counts of its buckets, as exported."""

    numbers: tuple[float, ...]

    @classmethod
    def parse(cls, text: bytes) -> "Histogram":
        """The histogram in a text; an empty text is a deleted record. Raises `ValueError`."""
        if not text:
            return cls(_ZEROS)
        head, _, tail = text.decode().partition("|")
        _, *numbers = map(float, head.split())
        marks = list(map(float, tail.split())) or _ZEROS
        return cls(tuple(map(max, zip(numbers, marks, strict=True))))

    def text(self) -> bytes:
        return f"0 {' '.join(map(repr, self.numbers))}|".encode()

    def raised_to(self, earlier: "Histogram") -> "Histogram":
        """This histogram, if no number is below the earlier one; else one with the higher numbers."""
        numbers = tuple(map(max, self.numbers, earlier.numbers))
        return self if numbers == self.numbers else Histogram(numbers)


class Names:
    """Hash fields of series, in both directions; one `Series` object for each series.

    Exporters with other label settings write other names; several names may be one series here.
    """

    def __init__(self, label_names: tuple[str, ...], known: Iterable[Series] = ()) -> None:
        self._label_names = label_names
        self._names: dict[Series, bytes] = {}
        self._series: dict[bytes, Series | None] = {}
        self._by_key: dict[tuple[str, ...], Series] = {}
        for series in known:
            self.of(series)

    def of(self, series: Series) -> bytes:
        name = self._names.get(series)
        if name is None:
            name = self._names[series] = name_of(series, self._label_names).encode()
            self._series.setdefault(name, self._by_key.setdefault(series.key, series))
        return name

    def of_family(self, series: Series, family: Family) -> Series:
        """The series of another family with the same labels."""
        key = (family.value, *series.key[1:])
        return self._by_key.get(key) or self._by_key.setdefault(key, replace(series, family=family))

    def series(self, name: bytes) -> Series | None:
        """The series of a name; None for a name that this version does not understand."""
        if name not in self._series:
            series = series_of(name, self._label_names)
            self._series[name] = series and self._by_key.setdefault(series.key, series)
        return self._series[name]


@cache
def cell_name(cell: Cell) -> bytes:
    return json.dumps(cell).encode()


@cache
def cell_of(name: bytes) -> Cell | None:
    """The cell of a name; None for a name of a later version."""
    cell = json.loads(name)
    return tuple(cell) if isinstance(cell, list) and len(cell) == 2 else None
