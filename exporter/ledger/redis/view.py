"""What this replica knows of the store: totals that never wait, and never go down."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from exporter.ledger.contract import DurationTotal, Series, Total
from exporter.ledger.redis.names import Names
from exporter.ledger.redis.records import (
    EMPTY,
    Cell,
    Observed,
    Record,
    read_cell,
    read_series,
)

Rows = Iterable[tuple[bytes, bytes]]
"""Names and records."""


@dataclass(slots=True)
class _Shard:
    """A shard as it was read last: records by name, as written and as understood."""

    commit: bytes = b"?"
    series: dict[bytes, bytes] = field(default_factory=dict)
    cells: dict[bytes, bytes] = field(default_factory=dict)
    records: dict[bytes, Record] = field(default_factory=dict)
    observed: dict[bytes, Observed] = field(default_factory=dict)
    fallen: dict[bytes, bytes] = field(default_factory=dict)
    fallen_cells: dict[bytes, bytes] = field(default_factory=dict)


class View:
    """Totals over all shards. One task calls what changes it; `totals` and `durations` may be read from
    any thread, because an entry is replaced whole and never altered.

    A record that is lower than it was before, or gone, keeps its old value here and is named by
    `fallen` until the store has its high-water mark.
    """

    def __init__(
        self, shards: int, names: Names, on_labels: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._on_labels = on_labels
        self._names = names
        self._shards = [_Shard() for _ in range(shards)]
        self._totals: dict[Series, Total] = {}
        self._durations: dict[Cell, DurationTotal] = {}
        self._first_seen: dict[Series, int] = {}
        self._written: dict[Series, set[bytes]] = {}

    def commit(self, shard: int) -> bytes:
        """The last commit of a shard that is known with all before it."""
        return self._shards[shard].commit

    def totals(self, now: float, first_seen_delay: float) -> list[Total]:
        """All series; those first seen less than `first_seen_delay` seconds before `now` (the engine's clock,
        seconds) are held."""
        held = self._first_seen
        found = list(self._totals.values())
        if not held:
            return found
        since = (now - first_seen_delay) * 1000
        return [
            replace(total, delayed=True) if held.get(total.series, 0) > since else total
            for total in found
        ]

    def durations(self) -> list[DurationTotal]:
        return list(self._durations.values())

    def held(self, shard: int, now: float, first_seen_delay: float) -> list[bytes]:
        """Names in a shard of the series that are held."""
        since = (now - first_seen_delay) * 1000
        return [
            name
            for name in self._shards[shard].records
            if (one := self._names.series(name)) is not None
            and self._first_seen.get(one, 0) > since
        ]

    def hold_from(self, names: Iterable[bytes], now: float) -> None:
        """Hold series as if they were first seen now."""
        for name in names:
            if (one := self._names.series(name)) is not None:
                self._first_seen[one] = round(now * 1000)

    def reveal(self, now: float, first_seen_delay: float) -> None:
        """Forget when series were first seen that are held no more. What was first seen later than now is
        from before the engine's clock was set back: it is held no longer than what is new."""
        since, latest = (now - first_seen_delay) * 1000, round(now * 1000)
        self._first_seen = {
            one: min(at, latest) for one, at in self._first_seen.items() if at > since
        }

    def wrote(self, shard: int, before: bytes, after: bytes, series: Rows, cells: Rows) -> None:
        """Take over a commit's own reply, which has the records that it touched."""
        known = self._shards[shard]
        # What other replicas wrote since is not in the reply: the next look has to read all.
        if known.commit == before:
            known.commit = after
        self._take(known, series, cells)

    def looked(self, shard: int, commit: bytes, series: Rows, cells: Rows) -> None:
        """Take over all that a shard holds."""
        known = self._shards[shard]
        known.commit = commit
        rows, lines = dict(series), dict(cells)
        gone = dict.fromkeys(known.series.keys() - rows.keys(), b"")
        gone_cells = dict.fromkeys(known.cells.keys() - lines.keys(), b"")
        self._take(known, (rows | gone).items(), (lines | gone_cells).items())

    def fallen(self, shard: int) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """The records that the store has lost, as they were: of series and of cells."""
        known = self._shards[shard]
        return known.fallen, known.fallen_cells

    def marked(self, shard: int) -> None:
        """The store has the marks of what had fallen."""
        known = self._shards[shard]
        known.fallen, known.fallen_cells = {}, {}

    def _take(self, shard: _Shard, series: Rows, cells: Rows) -> None:
        changed = {}
        for name, text in series:
            old = shard.series.get(name, b"")
            if text == old:
                continue
            one = self._names.series(name)
            if one is None:
                continue
            record, before = read_series(text) if text else _GONE, shard.records.get(name)
            if before is not None and record.shown < before.shown:
                rest = (old or text).split(b" ", 2)[2]
                shard.fallen.setdefault(name, b"%d 0 %b" % (before.shown, rest))
                # A gone record's time and exemplar are those that it had.
                record = replace(record if text else before, mark=before.shown)
            shard.series[name], shard.records[name] = text, record
            self._written.setdefault(one, set()).add(name)
            changed[one] = True
        for one in changed:
            if one not in self._totals:
                self._on_labels(one.labels)
            self._add_up(one)
        touched = {}
        for name, text in cells:
            old = shard.cells.get(name, b"")
            if text == old:
                continue
            cell = self._names.cell(name)
            if cell is None:
                continue
            observed, earlier = read_cell(text) if text else EMPTY, shard.observed.get(name)
            if earlier is not None and any(map(float.__lt__, observed.numbers, earlier.numbers)):
                shard.fallen_cells.setdefault(name, old or text)
                most = tuple(map(max, observed.numbers, earlier.numbers))
                observed = Observed(earlier.created, most)
            shard.cells[name], shard.observed[name] = text, observed
            touched[cell] = name
        for cell, name in touched.items():
            self._add_up_cell(cell, name)

    def _add_up(self, series: Series) -> None:
        records = [
            record
            for name in self._written[series]
            for shard in self._shards
            if (record := shard.records.get(name)) is not None
        ]
        first_seen = min(record.first_seen for record in records)
        if series in self._first_seen:
            self._first_seen[series] = min(first_seen, self._first_seen[series])
        elif first_seen and series not in self._totals:
            self._first_seen[series] = first_seen
        exemplars = [record.exemplar for record in records if record.exemplar is not None]
        self._totals[series] = Total(
            series,
            sum(record.shown for record in records),
            min(record.created for record in records),
            exemplar=max(exemplars, key=lambda one: one.at) if exemplars else None,
        )

    def _add_up_cell(self, cell: Cell, name: bytes) -> None:
        parts = [part for shard in self._shards if (part := shard.observed.get(name)) is not None]
        total, *counts = (
            sum(numbers) for numbers in zip(*(one.numbers for one in parts), strict=True)
        )
        created = min(part.created for part in parts)
        self._durations[cell] = DurationTotal(*cell, tuple(map(int, counts)), total, created)


_GONE = Record(0, 0, 0.0, 0, None)
