"""`make demo`: the whole of it, with real programs, as somebody runs it who sees the project first."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.exporter_process import ROOT, wait_for

LONG = 180.0
"""Seconds; the whole demo takes 70 on a machine that has time."""


@contextmanager
def demo(folder: Path, *flags: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Runs until it ends, or the block does; what it prints is in `folder`.txt."""
    variables = {**os.environ, **environment}
    command = [sys.executable, "-m", "exporter.demo", "--folder", str(folder), *flags]
    # Tests in the background have SIGINT ignored, and children inherit that.
    command = ["env", "--default-signal=INT", *command]
    with folder.with_suffix(".txt").open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=variables
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        wait_for(lambda: not left(folder), what="no process of the demo")


def printed(folder: Path) -> str:
    return folder.with_suffix(".txt").read_text()


def left(folder: Path) -> list[str]:
    """Command lines of the processes that work in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in line:
            found.append(line)
    return found


def test_an_outage_is_told_from_pending_to_resolved_and_nothing_runs_on(tmp_path: Path) -> None:
    """On a port next to the usual one, which is taken."""
    folder = tmp_path / "demo"
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 9090))
            other.listen()
        except OSError:
            pass  # Somebody else has it, which is as good.
        with demo(folder, "--once") as process:
            assert process.wait(LONG) == 0, printed(folder)
            assert left(folder) == []
    text = printed(folder)
    assert re.search(r"port 9090 is taken: Prometheus is on (?!9090)\d+", text)
    spike = "4001 No Worker Node Available spike on streampixel"
    steps = (
        "usual     ",
        "incident  capacity-large on streampixel",
        f"pending   {spike} (page)",
        f"firing    {spike} (page)",
        f"notified  {spike}, to page-platform",
        "repaired  ",
        f"over      {spike} (page)",
        f"resolved  {spike}, says Alertmanager to page-platform",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places), text
    counted = re.search(
        r"\| (\d+) in 5 min \(expected (\d+\.\d)\), [\d.]+% of all session ends, since \d", text
    )
    assert counted, text
    assert int(counted[1]) > 5 * float(counted[2]) > 0
    assert "| Causes: All worker nodes are busy" in text
    assert "| Fix: Check the status of workers and GPUs" in text
    ops = re.search(r"the exporter's pages\s+(\S+)/\n", text)
    assert ops
    assert f"| Runbook: {ops[1]}/codes/streampixel/4001\n" in text


def test_ctrl_c_ends_every_program_and_is_no_error(tmp_path: Path) -> None:
    """Where a variable names tokens, which are no concern of the demo's exporter."""
    folder = tmp_path / "demo"
    tokens = str(tmp_path / "no-such-file")
    with demo(folder, SESSION_EXPORTER_INGEST_TOKEN_FILE=tokens) as process:
        wait_for(lambda: "incident  " in printed(folder), LONG, "the incident")
        names = "\n".join(left(folder))
        assert all(name in names for name in ("exporter serve", "prometheus ", "alertmanager"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, printed(folder)
        assert left(folder) == []
    assert printed(folder).splitlines()[-1].endswith("no program of the demo runs any more")


def test_a_second_demo_in_the_same_folder_says_so_and_harms_nothing(tmp_path: Path) -> None:
    """Fails without the lock: the second one would delete the first one's ledger."""
    folder = tmp_path / "demo"
    with demo(folder) as first:
        wait_for((folder / "exporter/data/ledger.db").exists, LONG, "a ledger")
        second = subprocess.run(
            [sys.executable, "-m", "exporter.demo", "--folder", str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=False,
        )
        assert second.returncode == 1
        assert (
            second.stderr
            == f"error: {folder}: another demo runs in it; --folder names another one\n"
        )
        assert first.poll() is None
        assert (folder / "exporter/data/ledger.db").exists()
        first.terminate()
        assert first.wait(30) == 0, printed(folder)
        assert left(folder) == []
