"""`make demo` with real programs."""

import contextlib
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

LONG = 420.0
"""Seconds; the demo takes 75 on an idle machine."""


@contextmanager
def demo(folder: Path, *flags: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Runs until its end or the end of the block; its output is in `folder`.txt."""
    variables = {**os.environ, **environment}
    command = [sys.executable, "-m", "exporter.demo", "--folder", str(folder), *flags]
    # Tests in the background have SIGINT ignored, and children inherit that.
    command = ["/usr/bin/env", "--default-signal=INT", *command]
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
    """Command lines of the processes that use `folder`."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in line:
            lines.append(line)
    return lines


def test_demo_logs_an_outage_until_it_is_resolved_and_leaves_no_process(tmp_path: Path) -> None:
    """With all default ports in use: tests that run beside this one cannot take a port of the demo."""
    folder = tmp_path / "demo"
    with contextlib.ExitStack() as held:
        for port in (10400, 10401, 9090, 9093):
            with contextlib.suppress(OSError):  # Another program uses the port.
                held.enter_context(socket.create_server(("127.0.0.1", port)))
        with demo(folder, "--once") as process:
            assert process.wait(LONG) == 0, printed(folder)
            assert left(folder) == []
    text = printed(folder)
    assert re.search(r"baseline: http://127\.0\.0\.1:(?!9090/)\d+/alerts", text)
    spike = "4001 No Worker Node Available spike on streampixel"
    steps = (
        "Prometheus has a baseline",
        "Outage on streampixel",
        f"Prometheus: firing: {spike} (page)",
        f"Alertmanager to page-platform: firing: {spike}",
        "Repair: ",
        f"Prometheus: inactive: {spike} (page)",
        f"Alertmanager to page-platform: resolved: {spike}",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places), text
    counted = re.search(
        r"description: (\d+) in 5 min \(expected (\d+\.\d)\), [\d.]+% of all session ends, since \d",
        text,
    )
    assert counted, text
    assert int(counted[1]) > 5 * float(counted[2]) > 0
    assert "causes: All worker nodes are busy" in text
    assert "fix: Check the status of workers and GPUs" in text
    ops = re.search(r"past are counted: (\S+)/\n", text)
    assert ops
    assert f"runbook_url: {ops[1]}/codes/streampixel/4001\n" in text


def test_demo_stops_every_program_on_ctrl_c(tmp_path: Path) -> None:
    """With a token file in the environment, which the exporter of the demo ignores."""
    folder = tmp_path / "demo"
    tokens = str(tmp_path / "no-such-file")
    with demo(folder, SESSION_EXPORTER_INGEST_TOKEN_FILE=tokens) as process:
        wait_for(lambda: "Outage on" in printed(folder), LONG, "the outage")
        names = "\n".join(left(folder))
        assert all(name in names for name in ("exporter serve", "prometheus ", "alertmanager"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, printed(folder)
        assert left(folder) == []
    assert printed(folder).splitlines()[-1] == "Stopped: all programs of the demo have exited."


def test_demo_refuses_a_folder_that_another_demo_uses(tmp_path: Path) -> None:
    """Fails without the lock: the second demo would delete the ledger of the first."""
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
        assert second.stderr.startswith(f"error: {folder}: another demo is running there")
        assert first.poll() is None
        assert (folder / "exporter/data/ledger.db").exists()
        first.terminate()
        assert first.wait(30) == 0, printed(folder)
        assert left(folder) == []


def test_demo_starts_nothing_when_a_program_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, PATH=str(tmp_path)) as process:
        assert process.wait(60) == 1
    assert printed(folder).startswith("error: prometheus: not installed")
    assert not folder.exists()
