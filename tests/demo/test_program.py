"""A program of the demo, from its start to its end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from exporter.demo.program import Program
from exporter.errors import ConfigError
from tests.e2e.exporter_process import ROOT, wait_for
from tests.e2e.prometheus_process import free_port

SERVER = ("-m", "http.server", "--bind", "127.0.0.1")


def served(folder: Path, port: int, *command: str) -> Program:
    return Program(
        "the server",
        command or (sys.executable, *SERVER, "--directory", str(folder), str(port)),
        folder / "log",
        f"http://127.0.0.1:{port}/",
    )


def running(port: int) -> list[int]:
    """Processes that were started for this port."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"http.server" in arguments and str(port).encode() in arguments:
            found.append(int(path.parent.name))
    return found


def test_a_program_is_there_when_its_block_begins_and_gone_when_it_ends(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as program:
        assert running(port)
        program.check()
    assert running(port) == []


def test_a_program_that_ends_by_itself_is_told_with_the_last_lines_of_its_log(
    tmp_path: Path,
) -> None:
    program = served(tmp_path, free_port(), sys.executable, "-c", "raise SystemExit('no disk')")
    with pytest.raises(ChildProcessError, match="the server ended with 1:\nno disk"), program:
        pass


def test_a_program_that_is_killed_later_is_noticed_by_the_next_check(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as program:
        (pid,) = running(port)
        os.kill(pid, signal.SIGKILL)
        # Its command line is gone from /proc a moment before it has ended.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ChildProcessError, match="the server ended with -9"):
            program.check()


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    program = served(tmp_path, free_port(), "no-such-program")
    with pytest.raises(ConfigError, match="the server: there is no no-such-program"), program:
        pass


def test_ctrl_c_in_the_terminal_does_not_reach_the_program(tmp_path: Path) -> None:
    """Fails when it shares the demo's group: Prometheus would be away before the demo says why."""
    port = free_port()
    with served(tmp_path, port):
        (pid,) = running(port)
        assert os.getpgid(pid) != os.getpgid(0)


def test_a_demo_that_is_killed_leaves_no_program_behind(tmp_path: Path) -> None:
    """Fails without the leash."""
    port = free_port()
    code = f"""
        import time
        from pathlib import Path
        from tests.demo.test_program import served
        with served(Path({str(tmp_path)!r}), {port}):
            print("there", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, cwd=ROOT
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline() == b"there\n"
        assert running(port)
        demo.kill()
        demo.wait()
        wait_for(lambda: not running(port), what="the program's end")
