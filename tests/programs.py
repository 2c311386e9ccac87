"""Programs that a test runs to their end."""

import subprocess
from pathlib import Path
from typing import Any


def finished(*command: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    """The exit code and the texts of a command; `options` are those of `subprocess.run`."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def output(*command: str | Path, **options: Any) -> str:
    """The standard output of a command. Raises AssertionError with all output if it fails."""
    done = finished(*command, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
