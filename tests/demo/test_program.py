"""A child process of the demo, from start to end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.program import Program
from tests.e2e.exporter_process import ROOT, wait_for
from tests.e2e.prometheus_process import free_port

SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory")


def served(folder: Path, port: int, *command: str) -> Program:
    command = command or (*SERVER, str(folder), str(port))
    return Program(command, folder / "log", f"http://127.0.0.1:{port}/")


def runs(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_program_runs_while_its_block_lasts(tmp_path: Path) -> None:
    """The program is outside the process group that receives Ctrl-C: Prometheus would stop before the
    demo."""
    with served(tmp_path, free_port()) as program:
        pid = program._process.pid
        assert os.getpgid(pid) != os.getpgid(0)
        program.check()
    assert not runs(pid)


def test_program_that_exits_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = served(tmp_path, free_port(), sys.executable, "-c", "raise SystemExit('no disk')")
    with pytest.raises(ChildProcessError, match="exited with 1:\nno disk"), program:
        pass


def test_check_reports_a_program_that_was_killed(tmp_path: Path) -> None:
    with served(tmp_path, free_port()) as program:
        pid = program._process.pid
        os.kill(pid, signal.SIGKILL)
        # Wait until the kernel has marked the process as exited.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ChildProcessError, match="exited with -9"):
            program.check()


def test_program_stops_when_ctrl_c_comes_during_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = subprocess.Popen
    started = []

    def start(*command: Any, **options: Any) -> Any:
        started.append(popen(*command, **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt), served(tmp_path, free_port()):
        pass
    assert started[0].poll() is not None


def test_program_stops_when_the_demo_is_killed(tmp_path: Path) -> None:
    """Fails without `setpriv --pdeathsig`."""
    code = f"""
        import time
        from pathlib import Path
        from tests.demo.test_program import served
        with served(Path({str(tmp_path)!r}), {free_port()}) as program:
            print(program._process.pid, flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, cwd=ROOT
    ) as demo:
        assert demo.stdout is not None
        pid = int(demo.stdout.readline())
        assert runs(pid)
        demo.kill()
        demo.wait()
        wait_for(lambda: not runs(pid), what="the end of the program")
