import time
from pathlib import Path
from typing import Final

import pytest

from tests.disk import CantMount, fill, small_disk
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Row, reached


def _event(number):
    return {"id": f"event-{number}", "system": "streampixel", "code": 4001}


def test_a_full_disk_is_answered_503_and_left_without_a_restart(tmp_path):
    """Fails when FullError is treated like other I/O errors: the process then exits. `make faults` holds the
    time that it takes."""
    fill_and_free(tmp_path)


def fill_and_free(tmp_path):
    """Fill an exporter's disk, then free it: seconds until an event is accepted again."""
    with (
        small_disk(tmp_path / "disk") as disk,
        ExporterProcess(
            disk / "data", settings={"dedup_window_ids": 2000}, log_file=tmp_path / "log"
        ) as exporter,
    ):
        accepted = exporter.post([_event(number) for number in range(500)]).json["accepted"]
        assert accepted == 500
        filler = fill(disk)
        refused = []

        def full():
            reply = exporter.post([_event(len(refused) * 500 + 1000 + n) for n in range(500)])
            if reply.status == 200:
                refused.append(False)
                return None
            return reply

        reply = wait_for(full, what="a refusal for a full disk")
        taken = 500 + 500 * len(refused)
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
        assert "full" in reply.json["detail"]
        ready = exporter.request("ops", "GET", "/-/ready")
        assert ready.status == 503
        assert "full" in ready.body.decode()
        assert exporter.total("session_ends_total") == taken
        assert exporter.total("session_exporter_ledger_writable") == 0
        assert exporter.total("session_exporter_commit_failures_total") >= 1
        pid = exporter.pid
        filler.unlink()
        freed = time.monotonic()
        events = [_event(len(refused) * 500 + 1000 + n) for n in range(500)]
        wait_for(lambda: exporter.post(events).status == 200, what="an accepted retry")
        took = time.monotonic() - freed
        assert exporter.pid == pid
        assert exporter.request("ops", "GET", "/-/ready").status == 200
        assert exporter.post(events).json["duplicates"] == 500
        assert exporter.total("session_ends_total") == taken + 500
        assert exporter.stop() == 0
    return took


def test_without_the_right_to_mount_the_test_fails_and_says_what_is_missing(tmp_path, monkeypatch):
    mount = tmp_path / "mount"
    mount.write_text("#!/bin/sh\necho 'must be superuser to use mount.' >&2\nexit 1\n")
    mount.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with (
        pytest.raises(CantMount, match=r"needs root with CAP_SYS_ADMIN.*must be superuser"),
        small_disk(tmp_path / "disk"),
    ):
        pass


def _run(folder: Path, quick: bool) -> str:
    took = []
    for number in range(1 if quick else 10):
        (folder / str(number)).mkdir()
        took.append(fill_and_free(folder / str(number)))
    figure = f"filled {len(took)} × and each time back within {max(took):.1f} s"
    return reached(figure, quick or max(took) < 5)


ROW: Final = Row(5, "disk full, 8 MiB tmpfs", "503; back < 5 s, no restart", _run)
