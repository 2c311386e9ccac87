"""Disks that fill up or fail, and processes that are killed. FAULTS=full runs the design's figures.

In every case: acknowledged ids are counted, no id counts twice, an unacknowledged one counts 0 or 1
times and exactly once after a retry.
"""

import asyncio
import itertools
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.contract import Receipt
from exporter.ledger.recovery import Plan, open_ledger
from exporter.ledger.sqlite import SqliteLedger
from tests.disk import fill, remount, small_disk
from tests.ledger.batches import FAILURE, batch
from tests.ledger.home import SqliteHome
from tests.ledger.shown import value
from tests.ledger.synced import unsynced
from tests.ledger.waiting import until


def child(folder: Path, first: int, events: int, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.ledger.child"),
        *(str(folder), str(first), str(events), *options),
    ]


def told(output: str, what: str) -> list[int]:
    """The ids in the lines that start with `what`."""
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith(f"{what} ")]


async def retry_counts_once(folder: Path, ids: list[int], acknowledged: list[int]) -> None:
    ledger = await SqliteLedger.open(Plan(folder))
    assert ledger.status().damaged is None
    survived = value(ledger)
    assert len(acknowledged) <= survived <= len(ids)
    if acknowledged:
        again = await ledger.commit(batch(acknowledged))
        assert again.duplicates == len(acknowledged)
    assert (await ledger.commit(batch(ids))).duplicates == survived
    assert value(ledger) == len(ids)
    await ledger.close()


# --- a full disk -------------------------------------------------------------------------------


async def _fill_up(
    ledger: SqliteLedger, folder: Path, first: int, spare: int = 0
) -> tuple[Path, list[int], int]:
    """Commit on a full disk until it refuses: the filler, the refused ids, the next free id."""
    filler = fill(folder, spare)
    for start in itertools.count(first, 2000):
        ids = list(range(start, start + 2000))
        [answer] = await asyncio.gather(ledger.commit(batch(ids)), return_exceptions=True)
        if isinstance(answer, LedgerUnavailable):
            assert answer.retry_after
            assert f"the disk of {folder} is full" in str(answer)
            return filler, ids, start
        assert isinstance(answer, Receipt)
    raise AssertionError


async def test_a_full_disk_refuses_shows_its_totals_and_recovers_without_a_restart(
    tmp_path: Path, full: bool
) -> None:
    """Row 5. Mutants it fails on: FullError not caught (the ledger breaks), publish before the write, the
    window added to before the write."""
    with small_disk(tmp_path / "disk") as folder:
        ledger = await SqliteLedger.open(Plan(folder, ids=5000))
        first = counted = 0
        for _ in range(20 if full else 2):
            filler, refused, start = await _fill_up(ledger, folder, first)
            counted += start - first
            assert ledger.status().problem == f"the disk of {folder} is full"
            assert value(ledger) == counted
            filler.unlink()
            began = time.monotonic()
            while True:
                try:
                    receipt = await ledger.commit(batch(refused))
                    break
                except LedgerUnavailable:
                    assert time.monotonic() < began + (5 if full else 60)
            counted += len(refused)
            first = start + len(refused)
            assert (receipt.accepted, value(ledger)) == (len(refused), counted)
            assert (await ledger.commit(batch(refused))).duplicates == len(refused)
            assert ledger.status().problem is None
        await ledger.close()
        ledger = await SqliteLedger.open(Plan(folder, ids=5000))
        assert value(ledger) == counted
        await ledger.close()


async def test_the_problem_of_a_full_disk_goes_by_itself_when_there_is_space(
    tmp_path: Path,
) -> None:
    """Mutant it fails on: no empty transaction after a failed one."""
    with small_disk(tmp_path / "disk") as folder:
        ledger = await SqliteLedger.open(Plan(folder))
        filler, _, _ = await _fill_up(ledger, folder, 0)
        filler.unlink()
        await until(lambda: ledger.status().problem is None, seconds=5)
        await ledger.close()


async def test_the_problem_of_a_full_disk_stays_while_there_is_none(tmp_path: Path) -> None:
    """A transaction of two pages fitted where one of twenty had failed: ready again for a second.
    Mutant it fails on: no look for room before the empty transaction."""
    with small_disk(tmp_path / "disk") as folder:
        home = SqliteHome(folder)
        ledger = await home.open()
        # Some pages of the refused batch fit in, and are written over by the next transaction.
        filler, _, _ = await _fill_up(ledger, folder, 0, spare=40 * 1024)
        for _ in range(3):
            home.monotonic.advance(1.1)
            # The second is answered after the look at what is due that follows the first.
            await ledger.commit(batch([]))
            await ledger.commit(batch([]))
            assert ledger.status().problem == f"the disk of {folder} is full"
        filler.unlink()
        home.monotonic.advance(1.1)
        await ledger.commit(batch([]))
        await until(lambda: ledger.status().problem is None)
        await ledger.close()


async def test_a_ledger_opens_on_a_full_disk_and_shows_its_totals(tmp_path: Path) -> None:
    """Mutant it fails on: FullError of the first checkpoint not caught."""
    with small_disk(tmp_path / "disk") as folder:
        ledger = await SqliteLedger.open(Plan(folder))
        await ledger.commit(batch(range(1000)))
        filler = fill(folder)
        await ledger.close()
        ledger = await SqliteLedger.open(Plan(folder))
        assert value(ledger) == 1000
        filler.unlink()
        assert (await ledger.commit(batch(range(1001)))).accepted == 1
        await ledger.close()


def test_a_full_disk_takes_no_new_ledger_and_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as folder:
        fill(folder)
        with pytest.raises(LedgerError, match=r"the disk of data_dir .* is full|No space left"):
            open_ledger(Plan(folder))


def test_a_data_dir_that_can_t_be_written_is_named_and_left_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as folder:
        open_ledger(Plan(folder / "data")).close()
        remount(folder, "ro")
        with pytest.raises(LedgerError, match=r"data_dir .*: Read-only file system"):
            open_ledger(Plan(folder / "data"))
        with pytest.raises(LedgerError, match=r"data_dir .*: Read-only file system"):
            open_ledger(Plan(folder / "new"))
        remount(folder, "rw")
        opened = open_ledger(Plan(folder / "data"))
        assert opened.moved_to is None
        opened.close()


# --- a failing disk ----------------------------------------------------------------------------


def only_the_folder(trace: Path) -> bool:
    """Whether each sync that was made to fail was SQLite's own of a folder."""
    injected = [line for line in trace.read_text().splitlines() if "(INJECTED)" in line]
    return all(" fdatasync" in line and "/ledger." not in line for line in injected)


async def test_a_failed_fsync_breaks_the_ledger_and_a_retry_after_the_restart_counts_once(
    tmp_path: Path, full: bool
) -> None:
    """Row 4. Mutants it fails on: an I/O error handled like a full disk, the batch in flight answered
    with its receipt."""
    events = 60 if full else 16
    points = range(1, 51) if full else (1, 3, 5, 9, 14)

    async def inject(point: int) -> None:
        folder = tmp_path / str(point)
        trace = Path(f"{folder}.trace")
        strace = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fdatasync,fsync"]
        strace += ["-e", f"inject=fdatasync,fsync:error=EIO:when={point}"]
        process = await asyncio.create_subprocess_exec(
            *strace,
            *child(folder, 0, events),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = (text.decode() for text in await process.communicate())
        acknowledged, refused = told(output, "ack"), told(output, "refused")
        if only_the_folder(trace):
            # SQLite goes on when it can't sync the folder. The start did so before, with fsync.
            assert (process.returncode, len(acknowledged)) == (0, events)
            return
        assert process.returncode == 1, errors
        if "unopened" in output:
            assert "data_dir" in output
            assert not acknowledged
        else:
            assert output.count("broken") == 1
            # All before the fault, none after it.
            assert acknowledged == list(range(len(acknowledged)))
            assert refused == list(range(len(acknowledged), events))
        await retry_counts_once(folder, list(range(events)), acknowledged)

    for point in points:
        await inject(point)


@pytest.mark.parametrize("mutant", [False, True], ids=["as built", "with synchronous=OFF"])
def test_every_acknowledgement_comes_after_its_wal_write_was_synced(
    tmp_path: Path, full: bool, mutant: bool
) -> None:
    """Row 2. The mutant with synchronous=OFF is run here, and must be caught."""
    events = 500 if full else 30
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-s", "16", "-o", str(trace)]
    strace += ["-e", "trace=pwrite64,write,fdatasync,fsync"]
    options = ["--unsynced"] if mutant else []
    subprocess.run(
        [*strace, *child(tmp_path / "l", 0, events, *options)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    acknowledged, early = unsynced(trace.read_text(errors="replace"))
    assert acknowledged == events
    assert early == (events if mutant else 0)


# --- a killed process --------------------------------------------------------------------------


def count_and_kill(folder: Path, start: int, wanted: int) -> list[int]:
    """Kill a process that counts from `start` on once it acknowledged `wanted` ids; all it did."""
    process = subprocess.Popen(child(folder, start, 100_000), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = list(itertools.islice(process.stdout, wanted))
    finally:
        process.kill()
        # Not communicate(): it skips what the line before the last one read ahead.
        rest = process.stdout.read()
        process.stdout.close()
        process.wait(timeout=30)
    numbers = told("".join(lines) + rest, "ack")
    assert len(numbers) >= wanted
    return numbers


async def test_kill_9_loses_nothing_that_was_acknowledged_and_doubles_nothing(
    tmp_path: Path, full: bool
) -> None:
    """Row 1, without the network. Mutants it fails on: ids not written with the totals, totals not
    written with the ids."""
    chance = random.Random("kills")
    acknowledged: set[int] = set()
    first = 0
    for _ in range(100 if full else 8):
        # Up to twenty of what is sent was sent before.
        start = max(0, first - chance.randrange(20))
        # It goes on past those, and past the one that was in flight.
        wanted = first - start + chance.randrange(1, 100)
        numbers = await asyncio.to_thread(count_and_kill, tmp_path / "l", start, wanted)
        acknowledged |= set(numbers)
        # The one after the last acknowledged one may be counted or not.
        first = max(first, numbers[-1] + 1)
        ledger = await SqliteLedger.open(Plan(tmp_path / "l"))
        assert len(acknowledged) <= value(ledger, FAILURE) <= len(acknowledged) + 1
        await ledger.close()
    await retry_counts_once(tmp_path / "l", list(range(first + 1)), sorted(acknowledged))
