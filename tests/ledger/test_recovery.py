"""Opening a damaged ledger: it is complete or moved aside, and never starts silently from zero."""

import asyncio
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.errors import LedgerError
from exporter.ledger.backup import back_up
from exporter.ledger.recovery import LedgerSettings, is_damage, open_ledger
from exporter.ledger.store import Ids, Meta, Store, checksum
from exporter.ledger.totals import Changes
from tests.ledger.batches import batch
from tests.ledger.damaged import (
    COMMITS,
    Sample,
    digests,
    hit,
    lose_a_counter,
    moved_aside,
    sample,
)
from tests.ledger.home import FULL, SqliteHome

IN_DATABASE = {"database": COMMITS, "wal": 0, "both": COMMITS // 2}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    folder = tmp_path_factory.mktemp("samples")
    return {
        where: asyncio.run(sample(folder / where, commits))
        for where, commits in IN_DATABASE.items()
    }


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The errors that were logged."""
    lines: list[str] = []
    monkeypatch.setattr(
        "exporter.ledger.recovery.log.error",
        lambda event, **fields: lines.append(f"{event} {fields}"),
    )
    return lines


def copied(sample: Sample, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample.folder, folder)
    return folder


@pytest.mark.parametrize("where", IN_DATABASE)
def test_flipped_bit_or_cut_file_loses_nothing_or_is_moved_aside(
    samples: dict[str, Sample], where: str, tmp_path: Path, logged: list[str]
) -> None:
    """Row 6. Fails without the marker, row checksums or quick_check, and with a checkpoint before these
    checks."""
    chance = random.Random(f"seed {where}")
    moved = 0
    assert not moved_aside(samples[where], copied(samples[where], tmp_path / "l"), logged)
    for _ in range(1000 if FULL else 40):
        folder = copied(samples[where], tmp_path / "l")
        names = {"database": ["ledger.db"], "wal": ["ledger.db-wal"]}
        name = chance.choice(names.get(where, ["ledger.db-wal", "ledger.db"]))
        damage = hit(folder / name, chance)
        try:
            moved += moved_aside(samples[where], folder, logged)
        except BaseException as error:
            error.add_note(damage)
            raise
    assert moved


def _delete(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def _empty_database(folder: Path) -> None:
    (folder / "ledger.db").write_bytes(b"")


def _cut_100_frames(folder: Path) -> None:
    wal = folder / "ledger.db-wal"
    wal.write_bytes(wal.read_bytes()[: -100 * (4096 + 24)])


def _break_utf8(folder: Path) -> None:
    data = (folder / "ledger.db").read_bytes()
    assert b'"streampixel"' in data
    (folder / "ledger.db").write_bytes(data.replace(b'"streampixel"', b'"\xfftreampixel"'))


def _leave_wal_mode(folder: Path) -> None:
    data = bytearray((folder / "ledger.db").read_bytes())
    # The write and read version of the file format: 2 is WAL, 1 a rollback journal.
    data[18:20] = b"\x01\x01"
    (folder / "ledger.db").write_bytes(data)


def _delete_the_row_about_the_ledger(folder: Path) -> None:
    connection = apsw.Connection(str(folder / "ledger.db"))
    connection.execute("DELETE FROM meta")
    connection.close()


@pytest.mark.parametrize(
    ("where", "damage", "reason"),
    [
        ("both", _delete("ledger.db"), "ledger.db is gone or empty, but there were commits"),
        ("both", _empty_database, "ledger.db is gone or empty, but there were commits"),
        (
            "both",
            _delete("ledger.db", "ledger.marker"),
            "ledger.db is gone or empty, but there were commits",
        ),
        ("both", _delete("ledger.db-wal"), "ends at commit 40, but commit 80 was acknowledged"),
        ("wal", _cut_100_frames, r"ends at commit \d+, but commit 80 was acknowledged"),
        ("database", lose_a_counter, "quick_check says"),
        ("database", _break_utf8, "not UTF-8"),
        ("database", _leave_wal_mode, "is not in WAL mode"),
        ("database", _delete_the_row_about_the_ledger, "the row about the ledger is missing"),
    ],
)
def test_lost_commits_and_rows_are_detected(
    samples: dict[str, Sample],
    where: str,
    damage: Callable[[Path], None],
    reason: str,
    tmp_path: Path,
    logged: list[str],
) -> None:
    folder = copied(samples[where], tmp_path / "l")
    damage(folder)
    assert moved_aside(samples[where], folder, logged)
    assert re.search(reason, str(logged)), logged


async def test_page_that_the_disk_did_not_write_is_detected(
    home: SqliteHome, logged: list[str], tmp_path: Path
) -> None:
    """Fails without the checksum of all rows: the totals then decrease, or ids count again."""
    databases = []
    for ids in (range(100), range(100, 105)):
        ledger = await home.open()
        await ledger.commit(batch(ids, durations=[1.0] * len(ids)))
        await ledger.close()
        databases.append((home.folder / "ledger.db").read_bytes())
    older, newer = databases
    pages = [at for at in range(0, len(older), 4096) if older[at:][:4096] != newer[at:][:4096]]
    for at in pages:
        stale = newer[:at] + older[at:][:4096] + newer[at + 4096 :]
        shutil.copytree(home.folder, folder := tmp_path / str(at))
        (folder / "ledger.db").write_bytes(stale)
        with pytest.raises(LedgerError, match=r"ledger\.db is damaged: .*no backup was written"):
            back_up(folder, tmp_path)
        opened = open_ledger(LedgerSettings(folder))
        opened.close()
        assert opened.moved_to is not None
    # Counters, histograms and ids.
    assert str(logged).count("a row is lost, or older than the last commit") == 3


@pytest.mark.parametrize("content", [None, b"\x05", b"garbage, 16 byte", bytes(16)])
def test_unreadable_marker_does_not_prevent_the_start(
    samples: dict[str, Sample], tmp_path: Path, logged: list[str], content: bytes | None
) -> None:
    folder = copied(samples["wal"], tmp_path / "l")
    (folder / "ledger.marker").unlink()
    if content is not None:
        (folder / "ledger.marker").write_bytes(content)
    assert not moved_aside(samples["wal"], folder, logged)


async def test_status_names_the_damaged_file_until_the_next_start(home: SqliteHome) -> None:
    await (await home.open()).close()
    (home.folder / "ledger.db").write_bytes(b"x" * 5000)
    ledger = await home.open()
    assert ledger.status().damaged == f"{home.folder}/ledger.db.damaged-20270115T080000.000000Z"
    assert ledger.status().damaged_at == home.wall.now
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()
    ledger = await home.open()
    assert ledger.status().damaged is None
    assert ledger.status().damaged_at == home.wall.now
    assert (await ledger.commit(batch([1]))).duplicates == 1


def test_start_that_ends_after_moving_aside_is_not_forgotten(
    samples: dict[str, Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the marker is set to 0 before the new ledger exists."""
    folder = copied(samples["database"], tmp_path / "l")
    (folder / "ledger.db").write_bytes(b"x" * 5000)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("exporter.ledger.store.Store.create", die)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(LedgerSettings(folder))
    opened = open_ledger(LedgerSettings(folder))
    assert opened.moved_to is not None
    assert opened.meta.damaged_at > 0
    opened.close()


def test_newer_format_is_refused_unchanged_and_leaves_no_file_open(home: SqliteHome) -> None:
    open_ledger(home.settings()).close()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    document = connection.execute("SELECT document FROM meta").get
    document = document.replace('"version":2', '"version":3')
    connection.execute("UPDATE meta SET document=?, checksum=?", (document, checksum(document)))
    connection.close()
    before, files = digests(home.folder), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(LedgerError, match="has format 3, this program writes 2"):
            open_ledger(home.settings())
    assert digests(home.folder) == before
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def test_database_locked_by_another_program_is_refused_undamaged(
    samples: dict[str, Sample], tmp_path: Path
) -> None:
    folder = copied(samples["database"], tmp_path / "l")
    connection = apsw.Connection(str(folder / "ledger.db"))
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="database is locked"):
        open_ledger(LedgerSettings(folder))
    connection.close()
    open_ledger(LedgerSettings(folder)).close()


def test_errors_of_the_environment_are_no_damage() -> None:
    disk, rights = (apsw.FullError, apsw.CantOpenError), (apsw.PermissionsError, apsw.AuthError)
    for environment in (*disk, *rights, apsw.BusyError, apsw.LockedError):
        assert not is_damage(environment())
    for damage in (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.ReadOnlyError):
        assert is_damage(damage())


def test_failed_transaction_ends_before_the_next_one(tmp_path: Path) -> None:
    """Fails without the rollback: the next transaction could not begin."""
    store = Store(tmp_path / "ledger.db")
    store.create(Meta(ledger="0"))
    wrong: Any = object()
    with pytest.raises(TypeError):
        store.write(Meta(ledger="0", commit=1), Changes([], []), Ids(1, 1.0, 1.0, wrong, b""))
    store.write(Meta(ledger="0", commit=2), Changes([], []))
    assert store.meta().commit == 2
    store.close()
