"""Packages that only some commands need, such as numpy."""

import subprocess
import sys
from pathlib import Path

from tests.backtest.histories import event, write
from tests.commands.running import environment

WITHOUT_PARSER = """
import sys
sys.modules["promql_parser"] = None
from exporter.cli import main
main()
"""


def python(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
        check=False,
    )


def test_missing_package_is_named_with_its_installation(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event(0.0)])
    done = python(WITHOUT_PARSER, "backtest", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: backtest needs the package promql-parser: "
        "pip install 'session-end-exporter[backtest]'\n"
    )


def test_other_commands_do_not_import_the_packages_of_simulate_and_backtest() -> None:
    """Fails when `--help` or `codes` imports numpy, or when `serve` imports an optional package."""
    done = python(
        "import sys, exporter.cli; print('numpy' in sys.modules)\n"
        "import exporter.serve; print('promql_parser' in sys.modules)"
    )
    assert (done.returncode, done.stdout) == (0, "False\nFalse\n"), done.stderr
