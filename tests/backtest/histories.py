"""Events of a history, and the command `backtest`, run in this process."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from exporter.backtest.command import backtest
from exporter.timestamps import rfc3339

START = 1767571200.0
"""2026-01-05T00:00:00Z, a Monday."""
NOW = START + 300 * 86400.0


def event(at: float, code: Any = "4001", **fields: Any) -> dict[str, Any]:
    """A streampixel end `at` seconds after `START`, with an id of its own."""
    known = {"id": f"e-{at}-{code}", "system": "streampixel", "code": code}
    known["occurred_at"] = rfc3339(START + at)
    return {key: value for key, value in {**known, **fields}.items() if value is not None}


def write(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


@dataclass(frozen=True)
class Done:
    """The exit code, report and errors of `backtest`."""

    code: int
    text: str
    errors: str


def run(files: Sequence[Path], **options: Any) -> Done:
    """Run `backtest` in a terminal of 80 columns."""
    consoles = [Console(file=StringIO(), width=80) for _ in range(2)]
    code = backtest(files, *consoles, now=lambda: NOW, **options)
    return Done(code, *(console.file.getvalue() for console in consoles))
