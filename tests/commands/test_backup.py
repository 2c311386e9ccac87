"""`backup`: its output, and its refusals."""

import re
from pathlib import Path

import pytest

from exporter import names
from tests.commands.running import call
from tests.disk import fill, small_disk
from tests.e2e.exporter_process import ExporterProcess


def end(id_: object) -> dict[str, object]:
    return {"id": f"e-{id_}", "system": "streampixel", "code": 4001}


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def test_backup_of_a_running_exporter_names_its_file_and_ledger(
    running: ExporterProcess, backups: Path
) -> None:
    assert running.post([end(number) for number in range(500)]).json["accepted"] == 500
    done = call("backup", backups, "--data-dir", running.data_dir)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = backups.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    shown = re.fullmatch(
        rf"{re.escape(str(file))}: [\d,]+ bytes, ledger ([0-9a-f]{{8}}), up to commit \d+, "
        r"\d+\.\d seconds\nIt has every event that was answered before [\dT:-]+\.\d{3}Z\n",
        done.stdout,
    )
    assert shown, done.stdout
    assert re.fullmatch(rf"ledger-\d{{8}}T\d{{6}}Z-{shown[1]}\.db", file.name)
    assert running.total(names.SESSION_ENDS, ledger=shown[1]) == 500


def test_backup_of_a_file_that_is_not_a_ledger_says_what_to_do(
    tmp_path: Path, running: ExporterProcess, backups: Path
) -> None:
    def error(*given: object, **variables: str) -> str:
        done = call("backup", *given, **variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert list(backups.iterdir()) == []
        return done.stderr

    empty = tmp_path / "empty"
    empty.mkdir()
    assert error(backups, "--data-dir", empty) == (
        f"error: {empty} is not the data_dir of an exporter: it has no ledger.db with a "
        "ledger.marker; set --data-dir\n"
    )
    assert list(empty.iterdir()) == []
    absent = tmp_path / "absent"
    assert error(absent, "--data-dir", running.data_dir) == (
        f"error: {absent} is not a directory: create it, or mount its disk\n"
    )
    shared = {"SESSION_EXPORTER_LEDGER": "redis://127.0.0.1"}
    assert error(backups, **shared) == (
        "error: the ledger is in redis://127.0.0.1, not in a file: back up Redis or Valkey itself, for "
        "example its append-only file\n"
    )
    unreadable = tmp_path / ("x" * 300)
    assert error(backups, "--data-dir", unreadable) == (
        f"error: {backups}: [Errno 36] File name too long: '{unreadable / 'ledger.db'}'; "
        "no backup was written\n"
    )
    running.post([end(1)])
    assert running.stop() == 0
    database = running.data_dir / "ledger.db"
    for content in (database.read_bytes()[: database.stat().st_size // 2], b"no database"):
        database.write_bytes(content)
        text = error(backups, "--data-dir", running.data_dir)
        assert text.startswith(f"error: the copy of {database} is damaged: ")


def test_backup_to_a_full_disk_leaves_no_file(running: ExporterProcess, tmp_path: Path) -> None:
    assert running.post([end(number) for number in range(1000)]).status == 200
    with small_disk(tmp_path / "disk") as disk:
        filler = fill(disk, spare=32 * 1024)
        done = call("backup", disk, "--data-dir", running.data_dir)
        assert (done.returncode, list(disk.iterdir())) == (1, [filler])
        assert re.fullmatch(
            rf"error: {disk}: .*(full|No space).*; no backup was written\n", done.stderr
        )
