"""Opening a ledger: what is found is whole, or moved aside; never less, never silently nothing."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from exporter.errors import LedgerError, LedgerInUse
from exporter.ledger.damage import checksum
from exporter.ledger.recovery import Plan, open_ledger
from tests.ledger.batches import batch
from tests.ledger.damaged import (
    Sample,
    digests,
    hit,
    honest,
    in_both,
    in_database,
    in_wal,
    link_a_page_twice,
    lose_a_row,
)
from tests.ledger.home import SqliteHome

SAMPLES = ("database", "wal", "both")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    folder = tmp_path_factory.mktemp("samples")
    return {
        "database": asyncio.run(in_database(folder / "database")),
        "wal": asyncio.run(in_wal(folder / "wal")),
        "both": asyncio.run(in_both(folder / "both")),
    }


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """The errors logged since it was last asked."""
    lines: list[str] = []
    monkeypatch.setattr(
        "exporter.ledger.recovery.log.error",
        lambda event, **fields: lines.append(f"{event} {fields}"),
        raising=True,
    )

    def text() -> str:
        whole = "\n".join(lines)
        lines.clear()
        return whole

    return text


def copied(sample: Sample, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample.folder, folder)
    return folder


@pytest.mark.parametrize("where", SAMPLES)
def test_an_undamaged_ledger_opens_whole(
    samples: dict[str, Sample], where: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    assert not honest(samples[where], copied(samples[where], tmp_path / "l"), logged)


@pytest.mark.parametrize("where", SAMPLES)
def test_a_flipped_bit_or_a_cut_file_loses_nothing_or_is_moved_aside(
    samples: dict[str, Sample], where: str, tmp_path: Path, logged: Callable[[], str], full: bool
) -> None:
    """Row 6. Mutants it fails on: no marker check, no row checksums, no quick_check, a checkpoint
    before the checks."""
    chance = random.Random(f"seed {where}")
    moved = 0
    for _ in range(1000 if full else 70):
        folder = copied(samples[where], tmp_path / "l")
        wal = folder / "ledger.db-wal"
        files = [folder / "ledger.db"] if not wal.exists() else [wal, folder / "ledger.db"]
        file = chance.choice(files if where == "both" else files[:1])
        what = hit(file, chance)
        try:
            moved += honest(samples[where], folder, logged)
        except BaseException as error:
            error.add_note(what)
            raise
    assert moved


def _cut_wal(folder: Path, frames: int) -> None:
    wal = folder / "ledger.db-wal"
    wal.write_bytes(wal.read_bytes()[: -frames * (4096 + 24)])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "ledger.db").unlink(),
        lambda folder: (folder / "ledger.db").write_bytes(b""),
        lambda folder: (folder / "ledger.db-wal").unlink(),
        lambda folder: (folder / "ledger.db-wal").write_bytes(b""),
        lambda folder: _cut_wal(folder, 1),
        lambda folder: _cut_wal(folder, 100),
    ],
    ids=[
        "no database",
        "empty database",
        "no WAL",
        "empty WAL",
        "one frame less",
        "many frames less",
    ],
)
@pytest.mark.parametrize("where", ["wal", "both"])
def test_what_was_acknowledged_and_is_gone_is_noticed(
    samples: dict[str, Sample],
    where: str,
    tmp_path: Path,
    logged: Callable[[], str],
    damage: Callable[[Path], object],
) -> None:
    """Mutant it fails on: no marker check."""
    folder = copied(samples[where], tmp_path / "l")
    damage(folder)
    assert honest(samples[where], folder, logged)


@pytest.mark.parametrize(
    "damage",
    [
        link_a_page_twice,
        lambda database: lose_a_row(database, "series"),
    ],
    ids=["a page of ids", "a counter"],
)
def test_rows_that_are_missing_are_noticed_though_each_of_the_others_is_sound(
    samples: dict[str, Sample],
    tmp_path: Path,
    logged: Callable[[], str],
    damage: Callable[[Path], None],
) -> None:
    """Mutant it fails on: no quick_check."""
    folder = copied(samples["database"], tmp_path / "l")
    damage(folder / "ledger.db")
    assert honest(samples["database"], folder, logged)


def test_text_that_is_no_utf_8_is_damage_and_no_defect(
    samples: dict[str, Sample], tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Mutant it fails on: UnicodeDecodeError not caught."""
    folder = copied(samples["database"], tmp_path / "l")
    data = (folder / "ledger.db").read_bytes()
    assert b'"streampixel"' in data
    (folder / "ledger.db").write_bytes(data.replace(b'"streampixel"', b'"\xfftreampixel"'))
    assert honest(samples["database"], folder, logged)


def test_a_marker_ahead_of_the_database_is_a_loss(
    samples: dict[str, Sample], tmp_path: Path, logged: Callable[[], str]
) -> None:
    folder = copied(samples["both"], tmp_path / "l")
    (folder / "ledger.db-wal").unlink()
    assert honest(samples["both"], folder, logged)


@pytest.mark.parametrize("marker", [None, b"", b"\0" * 16, b"garbage, 16 byte"])
def test_a_marker_that_says_nothing_keeps_the_ledger_from_nothing(
    samples: dict[str, Sample], tmp_path: Path, logged: Callable[[], str], marker: bytes | None
) -> None:
    folder = copied(samples["wal"], tmp_path / "l")
    (folder / "ledger.marker").unlink()
    if marker is not None:
        (folder / "ledger.marker").write_bytes(marker)
    assert not honest(samples["wal"], folder, logged)


async def test_a_marker_older_than_the_database_is_what_a_power_cut_leaves(
    home: SqliteHome,
) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    older = (home.folder / "ledger.marker").read_bytes()
    await ledger.commit(batch([2]))
    await ledger.close()
    (home.folder / "ledger.marker").write_bytes(older)
    ledger = await home.open()
    assert (await ledger.commit(batch([1, 2]))).duplicates == 2
    assert ledger.status().damaged is None
    await ledger.close()


async def test_a_ledger_moved_aside_is_told_by_the_status_until_the_next_start(
    home: SqliteHome,
) -> None:
    await (await home.open()).close()
    (home.folder / "ledger.db").write_bytes(b"x" * 5000)
    ledger = await home.open()
    assert ledger.status().damaged == f"{home.folder}/ledger.db.damaged-20270115T080000Z"
    assert ledger.status().damaged_at == home.wall.now
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()
    ledger = await home.open()
    assert ledger.status().damaged is None
    assert ledger.status().damaged_at == home.wall.now
    assert (await ledger.commit(batch([1]))).duplicates == 1
    await ledger.close()


def test_a_start_that_ends_between_moving_aside_and_starting_anew_is_not_forgotten(
    samples: dict[str, Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant it fails on: the marker set to 0 before the new ledger is there."""
    folder = copied(samples["database"], tmp_path / "l")
    (folder / "ledger.db").write_bytes(b"x" * 5000)
    with monkeypatch.context() as patch:
        patch.setattr("exporter.ledger.store.Store.create", _die)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(Plan(folder))
    opened = open_ledger(Plan(folder))
    assert opened.moved_to is not None
    assert opened.meta.damaged_at > 0
    opened.close()


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_newer_format_is_refused_and_left_alone_and_no_file_stays_open(home: SqliteHome) -> None:
    open_ledger(home.plan()).close()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    document = connection.execute("SELECT document FROM meta").get.replace(
        '"version":1', '"version":2'
    )
    connection.execute("UPDATE meta SET document=?, checksum=?", (document, checksum(document)))
    connection.close()
    before, files = digests(home.folder), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(LedgerError, match="has format 2, this program writes 1"):
            open_ledger(home.plan())
    assert digests(home.folder) == before
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def test_a_database_in_use_by_someone_without_the_lock_is_refused_and_not_damaged(
    samples: dict[str, Sample], tmp_path: Path
) -> None:
    folder = copied(samples["database"], tmp_path / "l")
    connection = apsw.Connection(str(folder / "ledger.db"))
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerInUse, match=r"ledger\.db is in use by another process"):
        open_ledger(Plan(folder))
    connection.close()
    open_ledger(Plan(folder)).close()
