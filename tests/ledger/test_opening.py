"""One process at a time opens a ledger, and an error says why a ledger does not open."""

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


async def _open_elsewhere(folder: Path) -> tuple[int | None, str]:
    """Exit code and stderr of another process that opens the ledger."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OPEN, folder, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_a_second_process_reports_that_the_ledger_is_in_use(home: SqliteHome) -> None:
    """Row 7. Fails without the lock file."""
    ledger = await home.open()
    expected = (
        f"in use: the ledger in {home.folder} is in use by another process: two exporters need two "
        "data_dirs\n"
    )
    assert await _open_elsewhere(home.folder) == (1, expected)
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()
    assert await _open_elsewhere(home.folder) == (0, "")


async def test_sqlite_itself_cannot_read_an_open_ledger(home: SqliteHome) -> None:
    """Fails without the exclusive locking mode."""
    await home.open()
    connection = apsw.Connection(str(home.folder / "ledger.db"))
    with pytest.raises(apsw.BusyError):
        connection.execute("SELECT * FROM series").fetchall()
    connection.close()


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
    opened = open_ledger(Plan(tmp_path / "copy"))
    assert (opened.moved_to, opened.meta.ledger) == (None, ledger.totals().ledger)
    opened.close()
