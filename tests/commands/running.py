"""Commands in processes of their own, in a terminal of 80 columns."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.exporter_process import ROOT, ExporterProcess


def arguments(*given: object) -> list[str]:
    return [sys.executable, "-m", "exporter", *map(str, given)]


def environment(**variables: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "SESSION_EXPORTER" not in key}
    # Containers set it. Without it, output is flushed at the exit, as for users.
    clean.pop("PYTHONUNBUFFERED", None)
    return {**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}


def run(*given: object, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments(*given),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**variables),
        check=False,
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def url(running: ExporterProcess, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{running.ports['ingest']}"


def events(count: int, first: int = 0) -> str:
    line = '{"id":"e-%d","system":"streampixel","code":4001}\n'
    return "".join(line % number for number in range(first, first + count))


def summary(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    document: dict[str, object] = json.loads(done.stdout)
    return document
