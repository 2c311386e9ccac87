"""Disks that are full, read-only or failing. FAULTS=full runs the numbers that the fault table promises."""

import asyncio
import itertools
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.recovery import LedgerSettings, open_ledger
from exporter.ledger.sqlite import SqliteLedger
from tests.disk import fill, remount
from tests.ledger.batches import OTHER, batch
from tests.ledger.home import FULL, SqliteHome, crash, until, value
from tests.programs import finished


async def test_full_disk_stays_a_problem_until_there_is_space(volume: Path) -> None:
    """Row 5. A small transaction fits where a large one failed: the ledger must not be ready for a second.

    Fails without the check for space, and without the empty transaction after a failed one.
    """
    home = SqliteHome(volume)
    ledger = await home.open()
    # Some pages of the refused batch fit, and the next transaction overwrites them.
    filler = fill(volume, spare=40 * 1024)
    with suppress(LedgerUnavailable):
        for start in itertools.count(0, 2000):
            await ledger.commit(batch(range(start, start + 2000)))
    for _ in range(3):
        home.monotonic.advance(1.1)
        # The second commit is answered after the housekeeping that follows the first.
        await ledger.commit(batch([]))
        await ledger.commit(batch([]))
        assert ledger.status().problem == f"the disk of {volume} is full"
    filler.unlink()
    home.monotonic.advance(1.1)
    await until(lambda: ledger.status().problem is None)


async def test_ledger_opens_on_a_full_disk_and_shows_its_totals(volume: Path) -> None:
    """Fails when FullError is not caught, of the first checkpoint or of the first series at zero."""
    home = SqliteHome(volume)
    ledger = await home.open()
    await ledger.commit(batch(range(1000)))
    filler = fill(volume)
    await ledger.close()
    ledger = await home.open(zero=[OTHER])
    assert value(ledger) == 1000
    assert ledger.status().problem
    filler.unlink()
    assert (await ledger.commit(batch(range(1001)))).accepted == 1
    home.monotonic.advance(1.1)
    await ledger.commit(batch([]))
    await until(lambda: len(ledger.totals().series) == 2)


def test_new_ledger_on_a_full_disk_is_refused(volume: Path) -> None:
    fill(volume)
    with pytest.raises(LedgerError, match=r"the disk of data_dir .* is full|No space left"):
        open_ledger(LedgerSettings(volume))


def test_read_only_data_dir_is_named_and_left_unchanged(volume: Path) -> None:
    open_ledger(LedgerSettings(volume / "data")).close()
    remount(volume, "ro")
    for name in ("data", "new"):
        with pytest.raises(LedgerError, match=r"data_dir .*: Read-only file system"):
            open_ledger(LedgerSettings(volume / name))
    remount(volume, "rw")
    opened = open_ledger(LedgerSettings(volume / "data"))
    assert opened.moved_to is None
    opened.close()


def _only_the_folder(trace: Path) -> bool:
    """Whether SQLite made each sync that failed on a folder; SQLite ignores such a failure."""
    injected = [line for line in trace.read_text().splitlines() if "(INJECTED)" in line]
    return all(" fdatasync" in line and "/ledger." not in line for line in injected)


def _ids(output: str, answer: str) -> list[int]:
    lines = [line.split() for line in output.splitlines()]
    return [int(line[1]) for line in lines if line[0] == answer]


def _count(
    folder: Path, events: int, trace: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Count ids in another process, under strace with these options."""
    strace = ("strace", "-f", "-y", "-qq", "-o", trace, *options)
    return finished(*strace, sys.executable, "-m", "tests.ledger.child", folder, str(events))


async def _fail_fsync(folder: Path, point: int, events: int) -> None:
    """Let the `point`-th sync of a process fail, then send all events again."""
    trace = Path(f"{folder}.trace")
    inject = f"inject=fdatasync,fsync:error=EIO:when={point}"
    done = _count(folder, events, trace, "-e", "trace=fdatasync,fsync", "-e", inject)
    acknowledged, refused = _ids(done.stdout, "ack"), _ids(done.stdout, "refused")
    if _only_the_folder(trace):
        # The start synced the folder before, with fsync.
        assert (done.returncode, len(acknowledged)) == (0, events)
        return
    assert done.returncode == 1, done.stderr
    if "unopened" in done.stdout:
        assert "data_dir" in done.stdout
        assert not acknowledged
    else:
        assert done.stdout.count("broken") == 1
        # All events before the fault, none after it.
        assert acknowledged + refused == list(range(events))
    ledger = await SqliteLedger.open(LedgerSettings(folder))
    assert ledger.status().damaged is None
    survived = value(ledger)
    assert len(acknowledged) <= survived <= events
    assert (await ledger.commit(batch(acknowledged))).duplicates == len(acknowledged)
    assert (await ledger.commit(batch(range(events)))).duplicates == survived
    assert value(ledger) == events
    await ledger.close()


async def test_failed_fsync_breaks_the_ledger_and_a_retry_counts_once(tmp_path: Path) -> None:
    """Row 4. Fails when an I/O error is handled like a full disk, or the batch in flight gets a receipt."""
    for point in range(1, 51) if FULL else (1, 3, 5, 9, 14):
        await _fail_fsync(tmp_path / str(point), point, 60 if FULL else 16)


@pytest.mark.parametrize(
    ("name", "point", "refused"),
    [("", "8", False), ("", "20", False), ("", "8+", True), ("-wal", "35", False)],
)
async def test_read_error_of_the_disk_moves_no_ledger_aside(
    home: SqliteHome, tmp_path: Path, name: str, point: str, refused: bool
) -> None:
    """Fails when the ledger is read once only, and when the second time does not begin with the whole
    file: quick_check reports read errors as damage."""
    ledger = await home.open()
    await ledger.commit(batch(range(3000)))
    if not name:
        await ledger.close()
    crash(home.folder, tmp_path / "l")
    file, trace = tmp_path / "l" / f"ledger.db{name}", tmp_path / "trace"
    inject = ("-e", "trace=pread64,read", "-e", f"inject=pread64:error=EIO:when={point}")
    if refused:
        inject += ("-e", "inject=read:error=EIO")
    done = await asyncio.to_thread(_count, tmp_path / "l", 0, trace, "-P", str(file), *inject)
    assert "(INJECTED)" in trace.read_text()
    refusal = f"unopened data_dir {tmp_path / 'l'}: Input/output error\n"
    assert done.stdout == (refusal if refused else "")
    opened = open_ledger(LedgerSettings(tmp_path / "l"))
    assert opened.moved_to is None
    assert sum(total.value for total in opened.totals.series()) == 3000
    opened.close()


def test_file_system_without_locks_is_not_a_ledger_in_use(tmp_path: Path) -> None:
    """A network share may have no locks."""
    inject = ("-e", "trace=flock", "-e", "inject=flock:error=ENOLCK")
    printed = _count(tmp_path / "data", 1, tmp_path / "trace", *inject).stdout
    assert printed == f"unopened data_dir {tmp_path / 'data'}: No locks available\n"


def test_new_ledger_is_accessible_only_to_its_owner(tmp_path: Path) -> None:
    opened = open_ledger(LedgerSettings(tmp_path / "data"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    opened.close()
    assert modes.pop("data") == 0o700
    assert modes.pop("ledger.db-wal") == 0o600
    assert set(modes.values()) == {0o600}


def test_new_ledger_after_damage_makes_its_marker_durable_before_it_counts(tmp_path: Path) -> None:
    """Row 6. Fails without the fsync: a power cut brings the marker of the damaged ledger back, and the next
    start takes the new ledger for one that lost its commits."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.db").write_bytes(b"x" * 5000)
    trace = tmp_path / "trace"
    assert "ack 0" in _count(tmp_path / "data", 1, trace, "-e", "trace=fsync,write").stdout
    steps = trace.read_text().splitlines()
    [synced] = [n for n, line in enumerate(steps) if re.search(r"fsync\(.*ledger\.marker>", line)]
    [counted] = [n for n, line in enumerate(steps) if '"ack 0' in line]
    assert synced < counted
    # SQLite syncs the folder with fdatasync, and ignores a failure.
    assert any(re.search(r"fsync\(.*/data>", line) for line in steps[:counted])


def test_new_ledger_that_is_not_written_completely_gets_no_name(tmp_path: Path) -> None:
    """Fails without the checkpoint before the rename: the next start found a database without tables."""
    new = tmp_path / "ledger.db.new"
    inject = ("-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=2+")
    printed = _count(tmp_path, 1, tmp_path / "trace", "-P", str(new), *inject).stdout
    assert re.match(r"unopened the disk of data_dir .* is full", printed), printed
    assert not new.with_suffix("").exists()
