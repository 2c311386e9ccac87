"""Commands in processes of their own, in a terminal of 80 columns."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from exporter.cli import main
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.programs import finished


def arguments(*given: object) -> list[str]:
    return [sys.executable, "-m", "exporter", *map(str, given)]


def environment(**variables: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "SESSION_EXPORTER" not in key}
    # Containers set PYTHONUNBUFFERED. Without it, output is flushed at the exit, as for users.
    clean.pop("PYTHONUNBUFFERED", None)
    return {**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}


def run(*given: object, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    return finished(*arguments(*given), input=stdin, timeout=60, env=environment(**variables))


def call(*given: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`run` in this process, which saves the time of the imports."""
    out, err, code = io.StringIO(), io.StringIO(), None
    with (
        mock.patch.object(sys, "argv", ["session-end-exporter", *map(str, given)]),
        mock.patch.dict(os.environ, environment(**variables), clear=True),
        # The command's logging setup would replace that of the tests.
        mock.patch("exporter.logs.configure"),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
    return subprocess.CompletedProcess(given, int(code or 0), out.getvalue(), err.getvalue())


def errors(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The mistakes that a command prints in place of a result."""
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def url(running: ExporterProcess, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{running.ports['ingest']}"
