"""The SQLite file: what is in it, how a group gets into it, and how it is read back and verified.

apsw and not the standard library's sqlite3: it brings its own SQLite, newer than 3.51.3, whose fix of the
WAL-reset bug Debian's lacks, and it tells a full disk from a failed fsync by exception type.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from exporter.errors import LedgerError, LedgerInUse
from exporter.ledger.contract import (
    KEY_BYTES,
    DurationTotal,
    Exemplar,
    Series,
    Total,
)
from exporter.ledger.damage import Damaged, checksum
from exporter.ledger.naming import name_of, series_of
from exporter.ledger.totals import Changes

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT, checksum INTEGER);
CREATE TABLE series (key TEXT PRIMARY KEY, value INTEGER, created REAL, delayed INTEGER,
    session TEXT, session_at REAL, checksum INTEGER) WITHOUT ROWID;
CREATE TABLE durations (system TEXT, outcome TEXT, counts TEXT, total REAL, created REAL,
    checksum INTEGER, PRIMARY KEY (system, outcome)) WITHOUT ROWID;
CREATE TABLE ids (number INTEGER PRIMARY KEY, received REAL, age REAL, keys BLOB, fingerprints BLOB,
    checksum INTEGER);
"""


class Meta(msgspec.Struct, frozen=True):
    """One row about the ledger: `commit` counts transactions, `age` is how long it has been open in all
    (seconds), `damaged` the file an earlier ledger was moved to at `damaged_at`."""

    ledger: str
    version: int = VERSION
    commit: int = 0
    age: float = 0.0
    damaged: str | None = None
    damaged_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Ids:
    """The keys and fingerprints of one commit; `age` is the ledger's when they were received."""

    number: int
    age: float
    keys: bytes
    fingerprints: bytes

    @property
    def count(self) -> int:
        return len(self.keys) // KEY_BYTES


class Store:
    """One connection to one file, used by one thread at a time.

    Every method raises apsw's own errors: `apsw.FullError` for a full disk, `apsw.IOError` when the
    disk fails. The reading ones raise `Damaged`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = _open(path)
        self._execute = self._connection.execute
        self._names: dict[Series, str] = {}

    def create(self, meta: Meta) -> None:
        with self._transaction():
            self._execute(_SCHEMA)
            self._write_meta(meta)

    def check(self) -> None:
        """SQLite's own view of the file: `Damaged` with its first complaint."""
        found = [row[0] for row in self._execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise Damaged(f"SQLite's quick_check says: {found[0]}")

    def meta(self) -> Meta:
        rows = list(self._execute("SELECT document, checksum FROM meta"))
        if len(rows) != 1 or checksum(rows[0][0]) != rows[0][1]:
            raise Damaged("the row about the ledger is missing or fails its checksum")
        meta = msgspec.json.decode(rows[0][0], type=Meta)
        if meta.version != VERSION:
            raise LedgerError(
                f"{self.path} has format {meta.version}, this program writes {VERSION}: use the "
                "version that wrote it"
            )
        return meta

    def series(self, label_names: Sequence[str]) -> dict[str, Total]:
        """All totals by primary key; labels that are no longer configured are dropped, new ones are
        empty."""
        return {
            row[0]: _total(row, label_names) for row in self._verified("series", "a counter's row")
        }

    def name(self, series: Series, label_names: Sequence[str]) -> str:
        """The primary key that a series is written under."""
        name = self._names.get(series)
        if name is None:
            name = self._names[series] = name_of(series, label_names)
        return name

    def durations(self) -> list[DurationTotal]:
        return [
            DurationTotal(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4])
            for row in self._verified("durations", "a histogram's row")
        ]

    def ids(self) -> Iterable[Ids]:
        """The deduplication window, oldest commit first."""
        query = (
            "SELECT number, received, age, keys, fingerprints, checksum FROM ids ORDER BY number"
        )
        for number, received, age, keys, fingerprints, check in self._execute(query):
            if checksum(number, received, age, keys, fingerprints) != check:
                raise Damaged(f"the ids of commit {number} fail their checksum")
            yield Ids(number, age, keys, fingerprints)

    def write(
        self,
        meta: Meta,
        changes: Changes,
        label_names: Sequence[str],
        ids: Ids | None = None,
        received: float = 0.0,
        expired: int = 0,
        merged: tuple[int, Ids] | None = None,
    ) -> None:
        """One transaction, durable when this returns: totals, the group's ids, the ids of commits up to
        number `expired` gone, and those from number `merged[0]` on in one row instead of many."""
        with self._transaction():
            if merged is not None:
                first, together = merged
                self._execute(
                    "DELETE FROM ids WHERE number BETWEEN ? AND ?", (first, together.number)
                )
                self._insert(together, received)
            if ids is not None:
                self._insert(ids, received)
            if expired:
                self._execute("DELETE FROM ids WHERE number <= ?", (expired,))
            for total in changes.series:
                counted = self._row(total, label_names)
                self._execute(
                    "INSERT OR REPLACE INTO series VALUES (?,?,?,?,?,?,?)",
                    (*counted, checksum(*counted)),
                )
            for one in changes.durations:
                counts = json.dumps(one.counts)
                observed = (one.system, one.outcome, counts, one.total, float(one.created))
                self._execute(
                    "INSERT OR REPLACE INTO durations VALUES (?,?,?,?,?,?)",
                    (*observed, checksum(*observed)),
                )
            self._write_meta(meta)

    def replace_series(self, totals: Iterable[Total], label_names: Sequence[str]) -> None:
        """All counters anew, after the configured labels changed."""
        with self._transaction():
            self._execute("DELETE FROM series")
            for total in totals:
                row = self._row(total, label_names)
                self._execute("INSERT INTO series VALUES (?,?,?,?,?,?,?)", (*row, checksum(*row)))

    def checkpoint(self) -> None:
        """Move the WAL into the database and empty it."""
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def size(self) -> int:
        """Bytes of the database and its WAL."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        self._connection.close()

    def abandon(self) -> None:
        """Close without moving the WAL into the database, so that both stay as they were found."""
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            # SQLite itself rolls back after some errors, a full disk among them.
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    def _insert(self, ids: Ids, received: float) -> None:
        row = (ids.number, float(received), float(ids.age), ids.keys, ids.fingerprints)
        self._execute("INSERT INTO ids VALUES (?,?,?,?,?,?)", (*row, checksum(*row)))

    def _row(self, total: Total, label_names: Sequence[str]) -> tuple[Any, ...]:
        exemplar = total.exemplar
        # Whole numbers would come back from a REAL column as floats, and fail their checksum.
        return (
            self.name(total.series, label_names),
            total.value,
            float(total.created),
            int(total.delayed),
            exemplar.session_id if exemplar else None,
            float(exemplar.at) if exemplar else None,
        )

    def _write_meta(self, meta: Meta) -> None:
        document = msgspec.json.encode(meta).decode()
        self._execute(
            "INSERT OR REPLACE INTO meta VALUES (1, ?, ?)", (document, checksum(document))
        )

    def _verified(self, table: str, what: str) -> Iterable[tuple[Any, ...]]:
        for row in self._execute(f"SELECT * FROM {table}"):  # noqa: S608 (our own table names)
            if checksum(*row[:-1]) != row[-1]:
                raise Damaged(f"{what} fails its checksum: {row[0]!r}")
            yield row


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(0)
        # Set before WAL, so that the WAL index lives in our memory and no second process can join.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        if not path.stat().st_size:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        elif connection.execute("PRAGMA journal_mode").fetchall() != [("wal",)]:
            # Setting it would write to a file whose header is wrong, and can't be trusted.
            raise Damaged(f"{path} is not in WAL mode, which it was created in")
        connection.execute("PRAGMA synchronous=FULL").fetchall()
        connection.execute("PRAGMA journal_size_limit=16777216").fetchall()
        connection.execute("PRAGMA cell_size_check=ON").fetchall()
    except (apsw.BusyError, apsw.LockedError):
        connection.close()
        raise LedgerInUse(f"{path} is in use by another process") from None
    except BaseException:
        connection.close()
        raise
    return connection


def _total(row: tuple[Any, ...], label_names: Sequence[str]) -> Total:
    name, value, created, delayed, session, session_at, _ = row
    series = series_of(name, label_names)
    exemplar = Exemplar(session, session_at) if session is not None else None
    return Total(series, value, created, bool(delayed), exemplar)
