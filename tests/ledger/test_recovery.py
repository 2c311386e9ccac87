"""Opening a ledger: what is found is whole, or moved aside; never less, never silently nothing."""

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from exporter.errors import LedgerError, LedgerInUse
from exporter.ledger.contract import Total
from exporter.ledger.damage import checksum
from exporter.ledger.recovery import Plan, open_ledger
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.batches import FAILURE, batch, series
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
from tests.ledger.home import SqliteHome, crash

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
    """Row 6. Mutants it fails on: no witness check, no row checksums, no quick_check, a checkpoint
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
    """Mutant it fails on: no witness check."""
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


def test_a_witness_ahead_of_the_database_is_a_loss(
    samples: dict[str, Sample], tmp_path: Path, logged: Callable[[], str]
) -> None:
    folder = copied(samples["both"], tmp_path / "l")
    (folder / "ledger.db-wal").unlink()
    assert honest(samples["both"], folder, logged)


@pytest.mark.parametrize("witness", [None, b"", b"\0" * 16, b"garbage, 16 byte"])
def test_a_witness_that_says_nothing_keeps_the_ledger_from_nothing(
    samples: dict[str, Sample], tmp_path: Path, logged: Callable[[], str], witness: bytes | None
) -> None:
    folder = copied(samples["wal"], tmp_path / "l")
    (folder / "ledger.witness").unlink()
    if witness is not None:
        (folder / "ledger.witness").write_bytes(witness)
    assert not honest(samples["wal"], folder, logged)


async def test_a_witness_older_than_the_database_is_what_a_power_cut_leaves(
    home: SqliteHome,
) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    older = (home.folder / "ledger.witness").read_bytes()
    await ledger.commit(batch([2]))
    await ledger.close()
    (home.folder / "ledger.witness").write_bytes(older)
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
    """Mutant it fails on: the witness set to 0 before the new ledger is there."""
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


# --- label names and window settings between restarts ------------------------------------------

EU, US = series(region="eu"), series(region="us")


async def _count(home: SqliteHome, names: tuple[str, ...], events: dict[object, list[int]]) -> None:
    ledger = await home.open(label_names=names)
    for of, ids in events.items():
        await ledger.commit(batch(ids, of=of))  # type: ignore[arg-type]
    await ledger.close()


async def _values(home: SqliteHome, names: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    ledger = await home.open(label_names=names)
    await ledger.close()
    return {one.series.labels: one.value for one in ledger.totals().series}


async def test_a_label_taken_away_merges_its_series_once(home: SqliteHome) -> None:
    await _count(home, ("region",), {EU: [1, 2, 3], US: [4]})
    for _ in range(3):
        assert await _values(home, ()) == {(): 4}
    await _count(home, (), {FAILURE: [5, 1]})
    for _ in range(2):
        assert await _values(home, ()) == {(): 5}


async def test_a_label_taken_away_from_a_single_series_does_not_count_it_again(
    home: SqliteHome,
) -> None:
    """The series merged with no other, stayed under its old name, and was added at the next start."""
    await _count(home, ("region",), {EU: [1, 2, 3]})
    await _count(home, (), {FAILURE: [5]})
    assert await _values(home, ()) == {(): 4}
    assert await _values(home, ("region",)) == {("",): 4}


async def test_a_new_label_is_empty_for_what_was_counted_before(home: SqliteHome) -> None:
    await _count(home, (), {FAILURE: [1, 2]})
    await _count(home, ("region",), {EU: [3], series(region=""): [4]})
    assert await _values(home, ("region",)) == {("",): 3, ("eu",): 1}


async def test_labels_in_another_order_are_the_same_series(home: SqliteHome) -> None:
    await _count(home, ("region", "project"), {series(region="eu", project="p"): [1, 2]})
    await _count(home, ("project", "region"), {series(project="p", region="eu"): [3]})
    assert await _values(home, ("project", "region")) == {("p", "eu"): 3}
    assert await _values(home, ("region", "project")) == {("eu", "p"): 3}


async def test_merged_series_keep_the_oldest_start_and_the_latest_session(home: SqliteHome) -> None:
    ledger = await home.open(label_names=("region",))
    created = home.wall.now
    await ledger.commit(batch([1], of=EU, sessions=["first"]))
    home.wall.advance(10)
    await ledger.commit(batch([2], of=US, sessions=["second"]))
    await ledger.close()
    ledger = await home.open()
    [total] = ledger.totals().series
    assert isinstance(total, Total)
    assert (total.created, total.held) == (created, True)
    assert total.exemplar is not None
    assert (total.exemplar.session_id, total.exemplar.at) == ("second", created + 10)
    await ledger.close()


async def test_a_smaller_window_keeps_the_latest_ids(home: SqliteHome) -> None:
    ledger = await home.open(ids=1000)
    for number in range(100):
        await ledger.commit(batch([number]))
    await ledger.close()
    ledger = await SqliteLedger.open(home.plan(ids=10, slack=5))
    assert ledger.status().window_ids == 10
    assert (await ledger.commit(batch(range(90, 95)))).duplicates == 5
    assert (await ledger.commit(batch(range(95, 100)))).duplicates == 5
    assert (await ledger.commit(batch([0]))).accepted == 1
    assert ledger.status().window_ids == 10
    await ledger.close()


async def test_a_larger_window_remembers_more_from_then_on(home: SqliteHome) -> None:
    ledger = await home.open(ids=10)
    for number in range(30):
        await ledger.commit(batch([number]))
    await ledger.close()
    ledger = await home.open(ids=40)
    for number in range(100, 130):
        await ledger.commit(batch([number]))
    assert (await ledger.commit(batch([*range(20, 30), *range(100, 130)]))).duplicates == 40
    await ledger.close()


async def test_a_commit_too_large_for_the_window_is_not_remembered_by_halves(
    home: SqliteHome,
) -> None:
    ledger = await home.open(ids=100)
    await ledger.commit(batch(range(50)))
    await ledger.commit(batch([100]))
    await ledger.close()
    ledger = await SqliteLedger.open(home.plan(ids=10, slack=0))
    assert ledger.status().window_ids == 1
    assert (await ledger.commit(batch([100]))).duplicates == 1
    with pytest.raises(ValueError, match="11 events in a batch are more than the window can hold"):
        await ledger.commit(batch(range(11)))
    await ledger.close()


async def test_a_shorter_age_forgets_at_once_what_is_older(home: SqliteHome) -> None:
    ledger = await home.open(age=1000.0)
    await ledger.commit(batch([1]))
    home.monotonic.advance(500)
    await ledger.commit(batch([2]))
    await ledger.close()
    ledger = await home.open(age=100.0)
    assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([0, 1])
    await ledger.close()


async def test_clocks_of_whole_numbers_leave_a_sound_ledger(home: SqliteHome) -> None:
    """An int came back from a REAL column as a float, and failed its checksum."""
    home.wall.now, home.monotonic.now = 1_800_000_000, 1000
    ledger = await home.open(zero=[series("4003")])
    await ledger.commit(batch([1], sessions=["s"], durations=[1]))
    await ledger.close()
    ledger = await home.open()
    assert ledger.status().damaged is None
    assert (await ledger.commit(batch([1]))).duplicates == 1
    await ledger.close()


# --- who may open it ---------------------------------------------------------------------------

OPEN = """
import sys
from pathlib import Path
from exporter.errors import LedgerInUse
from exporter.ledger.recovery import Plan, open_ledger
try:
    open_ledger(Plan(Path(sys.argv[1]))).close()
except LedgerInUse as error:
    sys.exit(f"in use: {error}")
"""


def _open_elsewhere(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", OPEN, folder],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


async def test_a_second_process_is_told_that_the_ledger_is_in_use(home: SqliteHome) -> None:
    """Row 7. Mutant it fails on: no lock file."""
    ledger = await home.open()
    second = await asyncio.to_thread(_open_elsewhere, home.folder)
    assert second.returncode == 1
    assert second.stderr == (
        f"in use: the ledger in {home.folder} is in use by another process: two exporters need two "
        "data_dirs\n"
    )
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()
    assert (await asyncio.to_thread(_open_elsewhere, home.folder)).returncode == 0


async def test_not_even_sqlite_itself_can_look_into_an_open_ledger(home: SqliteHome) -> None:
    """Mutant it fails on: no exclusive locking mode."""
    ledger = await home.open()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    with pytest.raises(apsw.BusyError):
        connection.execute("SELECT * FROM series").fetchall()
    connection.close()
    await ledger.close()


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


def test_a_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"data_dir .*/file is not a directory"):
        open_ledger(Plan(tmp_path / "file"))
    with pytest.raises(LedgerError, match=r"data_dir .*/file/below: Not a directory"):
        open_ledger(Plan(tmp_path / "file" / "below"))


async def test_a_crash_before_the_first_commit_leaves_a_ledger_that_opens(
    home: SqliteHome, tmp_path: Path
) -> None:
    ledger = await home.open()
    crash(home.folder, tmp_path / "copy")
    await ledger.close()
    opened = open_ledger(Plan(tmp_path / "copy"))
    assert (opened.moved_to, opened.meta.ledger) == (None, ledger.totals().ledger)
    opened.close()
