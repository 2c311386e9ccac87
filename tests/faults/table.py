"""The fault table: rows, what runs them, and how they are printed."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ROOT

Run = Callable[[Path, bool], str]
"""Does what a row says, in a folder that it may use, quick or at full length: the figure that was reached.
Raises when the row's invariant does not hold or its goal is missed."""


class Missed(AssertionError):
    """A figure that was measured and does not reach its goal; the text is the figure."""


@dataclass(frozen=True)
class Row:
    """A row of the fault table: its number there, what is done, the goal, and how."""

    number: int
    case: str
    goal: str
    run: Run


def reached(figure: str, holds: bool) -> str:
    """The figure. Raises `Missed` when it does not hold."""
    if not holds:
        raise Missed(figure)
    return figure


def parts(*nodes: str, full: str = "", short: str = "") -> Run:
    """The row is these tests, with FAULTS=full unless quick; `full` and `short` are what they then do."""

    def run(folder: Path, quick: bool) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"),
                *(f"--basetemp={folder / 'tests'}", *nodes),
            ],
            cwd=ROOT,
            env={**os.environ, "FAULTS": "" if quick else "full"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        passed = re.search(r"(\d+) passed", done.stdout)
        assert passed, done.stdout
        return (short if quick else full) or f"{passed[1]} tests passed"

    return run


def results(rows: tuple[Row, ...], quick: bool) -> Iterator[tuple[Row, str, bool]]:
    """Each row with its figure, and whether it held; the reason of a failure goes to stderr."""
    for row in rows:
        with tempfile.TemporaryDirectory(prefix=f"faults-{row.number}-") as folder:
            try:
                yield row, row.run(Path(folder), quick), True
            except Missed as missed:
                yield row, str(missed), False
            except Exception as error:
                traceback.print_exc()
                yield row, f"{str(error).strip().partition(chr(10))[0][:60]}", False


def main(rows: tuple[Row, ...], description: str | None, arguments: list[str] | None = None) -> int:
    """Run the rows that are asked for and print a line for each: 0 when all hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=description)
    parser.add_argument("--quick", action="store_true", help="short versions, minutes in all")
    parser.add_argument(
        "row", nargs="*", type=int, help="numbers of rows; without one, all of them"
    )
    asked = parser.parse_args(arguments)
    known = {row.number for row in rows}
    if unknown := set(asked.row) - known:
        parser.error(f"no row {min(unknown)}: there are {', '.join(map(str, sorted(known)))}")
    chosen = tuple(row for row in rows if not asked.row or row.number in asked.row)
    cases, goals = (max(len(getattr(row, name)) for row in rows) for name in ("case", "goal"))
    print(
        f"{'row':>3}  {'case':<{cases}}  {'held':<4}  {'goal':<{goals}}  figure reached", flush=True
    )
    held = True
    for row, figure, holds in results(chosen, asked.quick):
        said = "yes" if holds else "NO"
        print(
            f"{row.number:>3}  {row.case:<{cases}}  {said:<4}  {row.goal:<{goals}}  {figure}",
            flush=True,
        )
        held &= holds
    return 0 if held else 1
