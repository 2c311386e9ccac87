"""Series and cells by the names that they have in the store: each is made once."""

from collections.abc import Iterable, Sequence

from exporter.ledger.contract import Series
from exporter.ledger.naming import name_of, series_of
from exporter.ledger.redis.records import Cell, cell_name, named_cell
from exporter.logs import Log

log = Log("exporter.ledger")


class Names:
    """Both ways between what the exporter knows and what is written; the same object for a name.

    Names that other settings wrote may differ and yet be one series under these.
    """

    def __init__(self, label_names: Sequence[str], known: Iterable[Series] = ()) -> None:
        self._label_names = label_names
        self._names: dict[Series, bytes] = {}
        self._series: dict[bytes, Series] = {}
        self._keys: dict[tuple[str, ...], Series] = {}
        self._strange: set[bytes] = set()
        self._cells: dict[bytes, Cell] = {}
        self._cell_names: dict[Cell, bytes] = {}
        for series in known:
            self.of(series)

    def of(self, series: Series) -> bytes:
        """The name of a series."""
        name = self._names.get(series)
        if name is None:
            name = self._names[series] = name_of(series, self._label_names).encode()
            self._series.setdefault(name, self._keys.setdefault(series.key, series))
        return name

    def series(self, name: bytes) -> Series | None:
        """The series of a name; None for one that this version does not understand."""
        found = self._series.get(name)
        if found is None and name not in self._strange:
            try:
                made = series_of(name, self._label_names)
            except (ValueError, KeyError, TypeError, AttributeError):
                self._strange.add(name)
                log.warning("ledger_has_a_strange_series", name=name.decode("utf-8", "replace"))
                return None
            found = self._series[name] = self._keys.setdefault(made.key, made)
        return found

    def of_cell(self, cell: Cell) -> bytes:
        name = self._cell_names.get(cell)
        if name is None:
            name = self._cell_names[cell] = cell_name(cell)
        return name

    def cell(self, name: bytes) -> Cell | None:
        """The cell of a name; None for one that this version does not understand."""
        found = self._cells.get(name)
        if found is None and name not in self._strange:
            try:
                found = self._cells[name] = named_cell(name)
            except (ValueError, KeyError, TypeError):
                self._strange.add(name)
                log.warning("ledger_has_a_strange_cell", name=name.decode("utf-8", "replace"))
        return found
