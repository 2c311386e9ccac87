"""A ledger with known content, ways to damage it, and whether the opened ledger is correct afterwards."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np

from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Batch, Total, Totals
from exporter.ledger.recovery import LedgerSettings, open_ledger
from exporter.ledger.window import words
from tests.ledger.batches import FAILURE, LATE, OTHER, batch, fingerprint, key
from tests.ledger.home import Clock, SqliteHome, crash

COMMITS = 80
IDS = range(COMMITS * 20)


@dataclass(frozen=True)
class Sample:
    """A ledger in `folder`, and the totals that it acknowledged."""

    folder: Path
    totals: Totals


async def sample(folder: Path, commits_in_database: int) -> Sample:
    """A ledger as a crash leaves it: its first commits are in the database, the others in the WAL."""
    home = SqliteHome(folder.with_name(folder.name + "-open"))
    ledger = await home.open(ids=5000)
    for number in range(COMMITS):
        if number == commits_in_database:
            await ledger.close()
            ledger = await home.open(ids=5000)
        await ledger.commit(_batch(number))
    if commits_in_database == COMMITS:
        await ledger.close()
    crash(home.folder, folder)
    await ledger.close()
    return Sample(folder, ledger.totals())


def _batch(number: int) -> Batch:
    of = (FAILURE, OTHER, LATE)[number % 3]
    ids = [(n, n) for n in range(number * 20, number * 20 + 20)]
    return batch(ids, of=of, durations=[n / 2 for n, _ in ids], sessions=["s"] * 20)


def hit(file: Path, chance: random.Random) -> str:
    """Flip a bit, zero a part or cut the file. Returns a description of the damage."""
    data = bytearray(file.read_bytes())
    kind = chance.choice(("flip", "flip", "flip in a header", "cut", "zeros"))
    at = chance.randrange(len(data))
    if kind == "flip in a header":
        # Pages have 4096 bytes, frames of the WAL 24 more. Most of the structure is at the start of each.
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
    """Digests of the database and its WAL. An empty WAL is left out: SQLite adds one to any open database."""
    files = {end: folder / f"ledger.db{suffix}{end}" for end in ("", "-wal")}
    return {
        end: hashlib.sha256(file.read_bytes()).hexdigest()
        for end, file in files.items()
        if file.exists() and file.stat().st_size
    }


def moved_aside(sample: Sample, folder: Path, logged: list[str]) -> bool:
    """Open a damaged ledger. Returns whether it was moved aside; fails unless it was, or is complete.

    A ledger that was moved aside must be unchanged and named in log and status.
    """
    before = digests(folder)
    opened = open_ledger(LedgerSettings(folder, ids=5000, wall=Clock(1_800_000_000.0)))
    try:
        if opened.moved_to is None:
            assert opened.meta.ledger == sample.totals.ledger
            assert _values(opened.totals.series()) == _values(sample.totals.series)
            assert opened.totals.durations() == sample.totals.durations
            positions = opened.window.find(words(b"".join(map(key, IDS)), KEY_BYTES))
            assert positions.all()
            fingerprints = words(b"".join(map(fingerprint, IDS)), FINGERPRINT_BYTES)
            assert np.array_equal(opened.window.fingerprints(positions), fingerprints[:, 0])
            return False
        assert not opened.totals.series()
        assert opened.meta.ledger != sample.totals.ledger
        assert opened.meta.damaged_at == 1_800_000_000.0
        assert digests(folder, opened.moved_to.name.removeprefix("ledger.db")) == before
        assert str(opened.moved_to) in logged[-1]
        return True
    finally:
        opened.close()


def _values(totals: list[Total]) -> dict[tuple[str, ...], object]:
    return {each.series.key: (each.value, each.exemplar) for each in totals}


def lose_a_counter(folder: Path) -> None:
    """Reduce the number of rows in the only page of the counters; each row stays valid."""
    database = folder / "ledger.db"
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'series'").get
    connection.close()
    data, at = bytearray(database.read_bytes()), (page - 1) * 4096
    assert data[at] in {10, 13}, "a leaf"
    assert data[at + 4] > 1
    data[at + 4] -= 1
    database.write_bytes(data)
