"""One process at a time has the ledger's file, and whoever may not have it is told why."""

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from exporter.errors import LedgerError
from exporter.ledger.recovery import Plan, open_ledger
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome, crash

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
