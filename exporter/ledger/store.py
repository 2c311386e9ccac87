"""The SQLite file of a ledger: its tables, its transactions, and how it is verified when it is read.

SQLite detects a broken page, but not a flipped bit in a number: each row has a checksum.

apsw instead of the standard library's sqlite3: it includes an SQLite with the fix of the WAL-reset bug
(3.51.3), and its exceptions tell a full disk from a failed fsync.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import xxhash

from exporter.errors import LedgerError
from exporter.ledger.contract import KEY_BYTES, DurationTotal, Exemplar, Series, Total
from exporter.ledger.naming import name_of, series_of
from exporter.ledger.totals import Changes

VERSION: Final = 2
# `created` is 0.0 in new rows: only earlier versions exported it.
_SCHEMA: Final = """
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT, checksum INTEGER);
CREATE TABLE series (key TEXT PRIMARY KEY, value INTEGER, created REAL, delayed INTEGER,
    session TEXT, session_at REAL, checksum INTEGER) WITHOUT ROWID;
CREATE TABLE durations (system TEXT, outcome TEXT, counts TEXT, total REAL, created REAL,
    checksum INTEGER, PRIMARY KEY (system, outcome)) WITHOUT ROWID;
CREATE TABLE ids (number INTEGER PRIMARY KEY, received REAL, age REAL, keys BLOB, fingerprints BLOB,
    checksum INTEGER);
"""
_PUT: Final = {
    "meta": "INSERT OR REPLACE INTO meta VALUES (1,?,?)",
    "series": "INSERT OR REPLACE INTO series VALUES (?,?,?,?,?,?,?)",
    "durations": "INSERT OR REPLACE INTO durations VALUES (?,?,?,?,?,?)",
    "ids": "INSERT OR REPLACE INTO ids VALUES (?,?,?,?,?,?)",
}
_EXPIRE: Final = "DELETE FROM ids WHERE number <= ? RETURNING number, checksum"
_FORGET: Final = "DELETE FROM series WHERE key = ? RETURNING key, checksum"


class Damaged(LedgerError):
    """The content of the file cannot be trusted; the text says why."""


def checksum(*values: object) -> int:
    """A 64-bit checksum of a row, signed as the integers of SQLite are."""
    return xxhash.xxh3_64_intdigest(msgspec.msgpack.encode(values)) - (1 << 63)


class Meta(msgspec.Struct):
    """The row about the ledger itself. `ledger` is its id; a backup has none until it is first opened.

    `commit` counts transactions, `age` is the time that the ledger was open (seconds). An earlier ledger was
    moved aside at `damaged_at` (Unix seconds). `rows` is the XOR of the checksums of all other rows.
    """

    ledger: str
    version: int = VERSION
    commit: int = 0
    age: float = 0.0
    damaged_at: float = 0.0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Ids:
    """A row of ids: of a commit, or of several small commits from `number` on.

    `received` (Unix seconds) and `age` (of the ledger, seconds) are those of the last commit.
    """

    number: int
    received: float
    age: float
    keys: bytes
    fingerprints: bytes

    @property
    def count(self) -> int:
        return len(self.keys) // KEY_BYTES


class Store:
    """A connection to the file, used by one thread at a time.

    Raises the errors of apsw: `apsw.FullError` for a full disk, `apsw.IOError` when the disk fails.
    Methods that read raise `Damaged` too.
    """

    def __init__(self, path: Path, label_names: tuple[str, ...] = ()) -> None:
        self.path = path
        self._label_names = label_names
        self._connection = _open(path)
        self._execute = self._connection.execute
        # The checksums of all rows by primary key, which has another type in each table.
        self._checksums: dict[object, int] = {}

    def create(self, meta: Meta) -> None:
        with self._transaction():
            self._execute(_SCHEMA)
            self._put_meta(meta)

    def check(self) -> None:
        """Raises `Damaged` with the first error that SQLite finds in the file."""
        error = self._execute("PRAGMA quick_check(1)").get
        if error != "ok":
            raise Damaged(f"SQLite's quick_check says: {error}")

    def meta(self) -> Meta:
        rows = list(self._rows("meta", "document, checksum"))
        if len(rows) != 1:
            raise Damaged("the row about the ledger is missing")
        meta = msgspec.json.decode(rows[0][0], type=Meta)
        if meta.version != VERSION:
            raise LedgerError(
                f"{self.path} has format {meta.version}, this program writes {VERSION}: use the "
                "version that wrote it"
            )
        return meta

    def series(self) -> dict[str, Total]:
        """All totals by name. Labels that are no longer configured are dropped, new labels are empty."""
        totals = {}
        for name, value, _, delayed, session, session_at in self._rows("series"):
            exemplar = Exemplar(session, session_at) if session is not None else None
            if series := series_of(name, self._label_names):
                totals[name] = Total(series, value, bool(delayed), exemplar)
        return totals

    def durations(self) -> list[DurationTotal]:
        return [
            DurationTotal(system, outcome, tuple(json.loads(counts)), total)
            for system, outcome, counts, total, _ in self._rows("durations")
        ]

    def ids(self) -> Iterable[Ids]:
        return (Ids(*row) for row in self._rows("ids"))

    def name(self, series: Series) -> str:
        return name_of(series, self._label_names)

    def check_rows(self, meta: Meta) -> None:
        """Raises `Damaged` when a row is lost, or older than the last commit. All rows were read before."""
        if reduce(xor, self._checksums.values(), 0) != meta.rows:
            raise Damaged("a row is lost, or older than the last commit")

    def write(self, meta: Meta, changes: Changes, ids: Ids | None = None, expired: int = 0) -> None:
        """Write totals and ids and delete ids up to row `expired`: one transaction, durable on return.

        Updates `meta.rows`.
        """
        # Times are floats: SQLite returns the integers of a REAL column as floats, which fail the checksum.
        new: dict[object, int] = {}
        gone: dict[object, int] = {}
        with self._transaction():
            if expired:
                gone |= self._execute(_EXPIRE, (expired,))
            for name in changes.renamed:
                gone |= self._execute(_FORGET, (name,))
            if ids is not None:
                row: Any = (ids.received, ids.age, ids.keys, ids.fingerprints)
                new[ids.number] = self._put("ids", ids.number, *row)
            for total in changes.series:
                name, last = self.name(total.series), total.exemplar
                session = (last.session_id, last.at) if last else (None, None)
                row = (total.value, 0.0, int(total.delayed), *session)
                new[name] = self._put("series", name, *row)
            for each in changes.durations:
                cell = (each.system, each.outcome)
                row = (json.dumps(each.counts), each.total, 0.0)
                new[cell] = self._put("durations", *cell, *row)
            for key, check in new.items():
                meta.rows ^= check ^ (0 if key in gone else self._checksums.get(key, 0))
            for check in gone.values():
                meta.rows ^= check
            self._put_meta(meta)
        for key in gone:
            del self._checksums[key]
        self._checksums |= new

    def after_commits(self, hook: Callable[[apsw.Connection, str, int], int]) -> None:
        """Call `hook` after each commit, in place of SQLite's automatic checkpoint."""
        self._connection.set_wal_hook(hook)

    def checkpoint(self, mode: int = apsw.SQLITE_CHECKPOINT_TRUNCATE) -> None:
        """Move the WAL into the database, and empty it unless `mode` is SQLITE_CHECKPOINT_PASSIVE."""
        self._connection.wal_checkpoint(mode=mode)

    def size(self) -> int:
        """Bytes of the database and its WAL."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        self._connection.close()

    def abandon(self) -> None:
        """Close without a checkpoint: database and WAL stay as they are."""
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Make the writes in a `with` block durable at its end; after an error nothing of them is written."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        finally:
            # SQLite rolls back by itself after some errors, for example on a full disk.
            if self._connection.in_transaction:
                self._execute("ROLLBACK")

    def _put(self, table: str, *row: Any) -> int:
        """Write a row. Returns its checksum."""
        check = checksum(*row)
        self._execute(_PUT[table], (*row, check))
        return check

    def _put_meta(self, meta: Meta) -> None:
        self._put("meta", msgspec.json.encode(meta).decode())

    def _rows(self, table: str, columns: str = "*") -> Iterator[list[Any]]:
        """The rows of a table in the order of the primary key, without their checksums."""
        for *row, expected in self._execute(f"SELECT {columns} FROM {table} ORDER BY 1"):  # noqa: S608
            if checksum(*row) != expected:
                raise Damaged(f"a row of the table {table} fails its checksum: {row[0]!r}")
            if table != "meta":
                self._checksums[(row[0], row[1]) if table == "durations" else row[0]] = expected
            yield row


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    try:
        # Before WAL mode: the WAL index then stays in memory and no second process can join.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        if not path.stat().st_size:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        elif connection.execute("PRAGMA journal_mode").get != "wal":
            # Setting the mode would write to a damaged file.
            raise Damaged(f"{path} is not in WAL mode")
        connection.execute("PRAGMA synchronous=FULL").fetchall()
        connection.execute("PRAGMA journal_size_limit=16777216").fetchall()
        connection.execute("PRAGMA cell_size_check=ON").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
