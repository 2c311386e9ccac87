"""`make demo` with real programs."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.exporter_process import ROOT, wait_for

LONG = 420.0
"""Seconds; the demo takes 60 on an idle machine."""


def output(folder: Path) -> str:
    return (folder / "output").read_text()


def processes(folder: Path) -> list[str]:
    """Command lines of the processes that use `folder`."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if f"{folder}/" in line]


@contextlib.contextmanager
def demo(folder: Path, *flags: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo with its files in `folder`, which runs until its end or the end of the block."""
    # Tests in the background ignore SIGINT, and children inherit that setting.
    command = ["/usr/bin/env", "--default-signal=INT", sys.executable, "-m", "deploy.demo"]
    variables = {**os.environ, "TMPDIR": str(folder), **environment}
    with (folder / "output").open("w") as out:
        process = subprocess.Popen(
            [*command, *flags], stdout=out, stderr=out, cwd=ROOT, env=variables
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        wait_for(lambda: not processes(folder), what="no process of the demo")


def test_demo_logs_an_outage_until_it_is_resolved_and_leaves_nothing(tmp_path: Path) -> None:
    """All default ports are in use, so the demo takes ports that no other running test can take."""
    with contextlib.ExitStack() as stack:
        for port in (10400, 10401, 9090, 9093):
            with contextlib.suppress(OSError):  # Another program uses the port.
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        with demo(tmp_path, "--once") as process:
            assert process.wait(LONG) == 0, output(tmp_path)
            assert processes(tmp_path) == []
            text = output(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert re.search(r"baseline: http://127\.0\.0\.1:(?!9090/)\d+/alerts", text)
    spike = "4001 No Worker Node Available spike on streampixel"
    steps = (
        "Prometheus has a baseline",
        "Outage on streampixel",
        f"Prometheus: firing: {spike} (page)",
        f"Alertmanager to slack-page: {spike}",
        "Repair: ",
        f"Prometheus: inactive: {spike} (page)",
        f"Alertmanager to slack-page: Resolved: {spike}",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places), text
    counted = re.search(
        r"> (\d+) in 5 min \(expected (\d+\.\d)\), [\d.]+% of all session ends\.", text
    )
    assert counted, text
    assert int(counted[1]) > 5 * float(counted[2]) > 0
    assert "> Causes: All worker nodes are busy" in text
    assert "> Fix: Check the status of workers and GPUs" in text
    ops = re.search(r"past are counted: (\S+)/\n", text)
    assert ops
    assert f"<{ops[1]}/codes/streampixel/4001|Runbook>" in text


def test_demo_stops_every_program_on_ctrl_c(tmp_path: Path) -> None:
    """The environment names a token file, which the exporter of the demo ignores."""
    tokens = str(tmp_path / "no-such-file")
    with demo(tmp_path, SESSION_EXPORTER_INGEST_TOKEN_FILE=tokens) as process:
        commands = ("exporter serve", "/prometheus.yml", "/alertmanager.yml")
        wait_for(
            lambda: all(command in "\n".join(processes(tmp_path)) for command in commands),
            *(LONG, "all programs"),
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output(tmp_path)
        assert processes(tmp_path) == []
        assert output(tmp_path).splitlines()[-1].startswith("Stopped: all programs of the demo")


def test_demo_starts_nothing_when_a_program_is_missing(tmp_path: Path) -> None:
    with demo(tmp_path, PATH=str(tmp_path)) as process:
        assert process.wait(60) == 1
        assert output(tmp_path).startswith("error: prometheus: not installed")
