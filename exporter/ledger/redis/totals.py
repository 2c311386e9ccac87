"""Totals of the shared ledger as this exporter knows them: reading never waits, and no total decreases."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from exporter.errors import LedgerError
from exporter.ledger.contract import Cell, DurationTotal, Family, Series, Total
from exporter.ledger.redis.client import key
from exporter.ledger.redis.connection import RedisSettings
from exporter.ledger.redis.group import ShardPart
from exporter.ledger.redis.records import Histogram, Names, Record, cell_name, cell_of

Rows = Iterable[tuple[bytes, bytes]]
"""Names and records as they are written."""
R = TypeVar("R", Record, Histogram)


class _Hash(Generic[R]):
    """The Redis hash `key` of one shard, as it was read last.

    A record that is lower than before, or gone, keeps its old value here; it is in `lost` until Redis has
    its high-water mark.
    """

    def __init__(self, key: str, kind: type[R], known: Callable[[bytes], object]) -> None:
        self._key, self._known = key, known
        self._kind: type[R] = kind
        self._texts: dict[bytes, bytes] = {}
        self.records: dict[bytes, R] = {}
        self.lost: dict[bytes, bytes] = {}

    def replace(self, rows: Rows) -> list[bytes]:
        """Take over the whole hash; returns the names whose records have changed."""
        gone = dict.fromkeys(self._texts, b"")
        return self.update((gone | dict(rows)).items())

    def update(self, rows: Rows) -> list[bytes]:
        """Take over records; returns the names of changed records. Raises `LedgerError` for a damaged one."""
        changed = []
        for name, text in rows:
            if text == self._texts.get(name, b"") or self._known(name) is None:
                continue
            try:
                record, earlier = self._kind.parse(text), self.records.get(name)
            except ValueError:
                raise LedgerError(
                    f"the shared ledger's key {self._key} is damaged: its field {name!r} is {text[:80]!r}"
                ) from None
            if earlier is not None and (raised := record.raised_to(earlier)) is not record:
                self.lost.setdefault(name, earlier.text())
                record = raised
            self._texts[name], self.records[name] = text, record
            changed.append(name)
        return changed


class _Shard:
    """A shard as it was read last; `commit` is the last commit that is known with all commits before it."""

    def __init__(self, shard: int, names: Names) -> None:
        self.commit = b"?"
        self.series = _Hash(key(shard, "series"), Record, names.series)
        self.cells = _Hash(key(shard, "durations"), Histogram, cell_of)


class SharedTotals:
    """Totals over all shards.

    One task changes them. `series` and `durations` may be called from any thread: an entry is replaced
    whole and never altered.
    """

    def __init__(self, settings: RedisSettings, names: Names) -> None:
        self._names, self._on_labels = names, settings.on_labels
        self._monotonic, self._delay = settings.monotonic, settings.first_seen_delay
        # A replica that starts shows what it finds: the other replicas have shown it as 0.
        self.joined = False
        self.shards = [_Shard(shard, names) for shard in range(settings.shards)]
        self._totals: dict[Series, Total] = {}
        self._durations: dict[Cell, DurationTotal] = {}
        self._delay_ends: dict[Series, float] = {}
        self._fields: dict[Series, set[bytes]] = {}

    def series(self) -> list[Total]:
        """All series; `delayed` are those in their first-seen delay."""
        ends, now = self._delay_ends, self._monotonic()
        return [
            replace(total, delayed=True) if ends.get(total.series, now) > now else total
            for total in list(self._totals.values())
        ]

    def durations(self) -> list[DurationTotal]:
        return list(self._durations.values())

    def committed(self, part: ShardPart, reply: Sequence[Any]) -> None:
        """Take over the reply to a commit: the records that it touched."""
        before, after, _, series, cells = reply
        known = self.shards[part.shard]
        # The reply lacks what other replicas have written since `known.commit`: the next read gets it.
        if known.commit == before:
            known.commit = after
        self._add_up(
            known.series.update(zip(map(self._names.of, part.series), series, strict=True)),
            known.cells.update(zip(map(cell_name, part.cells), cells, strict=True)),
        )

    def read(self, shard: int, commit: bytes, series: Rows, cells: Rows) -> None:
        """Take over all records of a shard."""
        known = self.shards[shard]
        known.commit = commit
        self._add_up(known.series.replace(series), known.cells.replace(cells))

    def _add_up(self, names: Iterable[bytes], cell_names: Iterable[bytes]) -> None:
        changed = {}
        for name in names:
            if series := self._names.series(name):
                counters = [series]
                if series.family is Family.REPEATS:
                    # The record of ends does not include repeats, see commit.lua.
                    counters.append(self._names.of_family(series, Family.ENDS))
                for counter in counters:
                    self._fields.setdefault(counter, set()).add(name)
                    changed[counter] = True
        for series in changed:
            if series not in self._totals:
                self._on_labels(series.labels)
        # One call, which no other thread interrupts: a scrape must not see an end without its repeat.
        self._totals.update({series: self._total(series) for series in changed})
        for name in cell_names:
            if cell := cell_of(name):
                parts = [part for shard in self.shards if (part := shard.cells.records.get(name))]
                total, *counts = map(sum, zip(*(part.numbers for part in parts), strict=True))
                self._durations[cell] = DurationTotal(*cell, tuple(map(int, counts)), total)

    def _total(self, series: Series) -> Total:
        records = [
            record
            for name in self._fields[series]
            for shard in self.shards
            if (record := shard.series.records.get(name)) is not None
        ]
        if self.joined and series not in self._totals and series.family is not Family.REPEATS:
            self._delay_ends[series] = self._monotonic() + self._delay
        exemplars = [record.exemplar for record in records if record.exemplar is not None]
        return Total(
            series,
            sum(record.count for record in records),
            exemplar=max(exemplars, key=lambda exemplar: exemplar.at, default=None),
        )
