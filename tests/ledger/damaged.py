"""A ledger whose content is known, and whether what opens after damage to it is honest."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np

from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Batch, Totals
from exporter.ledger.recovery import Plan, open_ledger
from exporter.ledger.window import words
from tests.ledger.batches import FAILURE, LATE, OTHER, batch, content, key
from tests.ledger.clock import Clock
from tests.ledger.home import SqliteHome, crash

COMMITS = 80
IDS = range(COMMITS * 20)


@dataclass(frozen=True)
class Sample:
    """A closed or crashed ledger in `folder`, and the totals it acknowledged."""

    folder: Path
    totals: Totals


async def in_database(folder: Path) -> Sample:
    """Closed: all of it is in the database."""
    home = SqliteHome(folder)
    return Sample(folder, await _fill(home, range(COMMITS)))


async def in_wal(folder: Path) -> Sample:
    """Crashed: all of it is in the WAL."""
    return await _crashed(folder, COMMITS)


async def in_both(folder: Path) -> Sample:
    """Restarted and crashed: the older half is in the database, and the newer in the WAL."""
    return await _crashed(folder, COMMITS // 2)


async def _crashed(folder: Path, commits: int) -> Sample:
    home = SqliteHome(folder.with_name(folder.name + "-open"))
    if commits < COMMITS:
        await _fill(home, range(COMMITS - commits))
    ledger = await home.open(ids=5000)
    for number in range(COMMITS - commits, COMMITS):
        await ledger.commit(_batch(number))
    crash(home.folder, folder)
    await ledger.close()
    return Sample(folder, ledger.totals())


async def _fill(home: SqliteHome, numbers: range) -> Totals:
    ledger = await home.open(ids=5000)
    for number in numbers:
        await ledger.commit(_batch(number))
    await ledger.close()
    return ledger.totals()


def _batch(number: int) -> Batch:
    of = (FAILURE, OTHER, LATE)[number % 3]
    ids = [(n, n) for n in range(number * 20, number * 20 + 20)]
    return batch(ids, of=of, durations=[n / 2 for n, _ in ids], sessions=["s"] * 20)


def hit(file: Path, chance: random.Random) -> str:
    """Flip a bit, or cut the file; what was done."""
    data = bytearray(file.read_bytes())
    kind = chance.choice(("flip", "flip", "flip in a header", "cut", "zeros"))
    at = chance.randrange(len(data))
    if kind == "flip in a header":
        # Pages are 4096 bytes, frames of the WAL 24 more: structure is denser here than anywhere.
        page = 4096 if file.name.endswith(".db") else 4096 + 24
        at = min(chance.randrange(len(data)) // page * page + chance.randrange(140), len(data) - 1)
    if kind == "cut":
        del data[at:]
    elif kind == "zeros":
        length = chance.choice((1, 512, 4096))
        data[at : at + length] = bytes(len(data[at : at + length]))
    else:
        data[at] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return f"{kind} at byte {at} of {file.name}"


def digests(folder: Path, suffix: str = "") -> dict[str, str]:
    """Digests of the database's files, by what follows the database's name. SQLite adds an empty WAL to
    any database it opens: that one is left out."""
    base = f"ledger.db{suffix}"
    return {
        end: hashlib.sha256((folder / (base + end)).read_bytes()).hexdigest()
        for end in ("", "-wal")
        if (folder / (base + end)).exists() and (folder / (base + end)).stat().st_size
    }


def honest(sample: Sample, folder: Path, logged: Callable[[], str]) -> bool:
    """Open a ledger that was damaged. True: it was moved aside, whole and named; False: nothing is
    missing. Anything else fails."""
    before = digests(folder)
    opened = open_ledger(Plan(folder, ids=5000, wall=Clock(1_800_000_000.0)))
    try:
        shown = {one.series.key: one for one in opened.totals.series()}
        if opened.moved_to is None:
            assert opened.meta.ledger == sample.totals.ledger
            assert {of: (one.value, one.created, one.exemplar) for of, one in shown.items()} == {
                one.series.key: (one.value, one.created, one.exemplar)
                for one in sample.totals.series
            }
            assert opened.totals.durations() == sample.totals.durations
            found = opened.window.find(words(b"".join(map(key, IDS)), KEY_BYTES))
            assert found.all()
            fingerprints = words(b"".join(map(content, IDS)), FINGERPRINT_BYTES)
            assert np.array_equal(opened.window.fingerprints(found), fingerprints[:, 0])
            return False
        assert not shown
        assert opened.meta.ledger != sample.totals.ledger
        assert opened.meta.damaged == str(opened.moved_to)
        assert opened.meta.damaged_at == 1_800_000_000.0
        assert digests(folder, opened.moved_to.name.removeprefix("ledger.db")) == before
        assert str(opened.moved_to) in logged()
        return True
    finally:
        opened.close()


def root(database: Path, table: str) -> int:
    """Where in the file the first page of a table begins."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).get
    connection.close()
    return (int(page) - 1) * 4096


def link_a_page_twice(database: Path) -> None:
    """Lose the rows of one page of ids and have those of its neighbour twice; every row is sound."""
    data, at = bytearray(database.read_bytes()), root(database, "ids")
    assert data[at] == 5, "an interior page of a table"
    first, second = (at + int.from_bytes(data[at + n : at + n + 2], "big") for n in (12, 14))
    data[first : first + 4] = data[second : second + 4]
    database.write_bytes(data)


def lose_a_row(database: Path, table: str) -> None:
    """Take one off the number of rows in the only page of a table; every row is sound."""
    data, at = bytearray(database.read_bytes()), root(database, table)
    assert data[at] in {10, 13}, "a leaf"
    assert data[at + 4] > 1
    data[at + 4] -= 1
    database.write_bytes(data)
