"""The fault table: its rows, and the command that runs them and prints a line for each."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.e2e.exporter_process import ROOT

Run = Callable[..., str]
"""`run(folder, quick)` tests a row in `folder`, quick or at full length, and returns the figure that it
reached. A row with mutants also takes `mutant`. Raises when the row does not hold."""


class Missed(AssertionError):
    """A measured figure does not reach its goal; the text is the figure."""


@dataclass(frozen=True)
class Mutant:
    """A build without one guard. `code` is Python that runs before the program, if its row says nothing else.

    The row's quick version must raise `Missed` with a figure that the pattern `figure` matches.
    """

    guard: str
    code: str
    figure: str = ""


@dataclass(frozen=True)
class Row:
    """A row of the fault table. `nodes` are pytest ids, for a row that tests of other packages hold."""

    number: int
    case: str
    goal: str
    run: Run
    mutants: Sequence[Mutant] = ()
    nodes: Sequence[str] = ()


def rows_of(*modules: ModuleType) -> tuple[Row, ...]:
    """The rows that are defined in these modules, by number."""
    rows = [
        value for module in modules for value in vars(module).values() if isinstance(value, Row)
    ]
    return tuple(sorted(rows, key=lambda row: row.number))


def reached(figure: str, holds: bool) -> str:
    """The figure. Raises `Missed` when it does not hold."""
    if not holds:
        raise Missed(figure)
    return figure


def row_of_tests(
    number: int, case: str, goal: str, *nodes: str, full: str = "", short: str = ""
) -> Row:
    """A row that tests hold, run with FAULTS=full unless quick; `full` and `short` are its figures."""

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

    return Row(number, case, goal, run, nodes=nodes)


def _results(rows: Sequence[Row], quick: bool) -> Iterator[tuple[Row, str, bool]]:
    """Each row with its figure, and whether it held; the traceback of an error goes to stderr."""
    for row in rows:
        with tempfile.TemporaryDirectory(prefix=f"faults-{row.number}-") as folder:
            try:
                yield row, row.run(Path(folder), quick), True
            except Missed as missed:
                yield row, str(missed), False
            except Exception as error:
                traceback.print_exc()
                yield row, f"{str(error).strip().partition(chr(10))[0][:60]}", False


def main(rows: Sequence[Row], description: str | None, arguments: list[str] | None = None) -> int:
    """Run the requested rows and print a line for each: 0 when all hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=description)
    parser.add_argument("--quick", action="store_true", help="short versions, minutes in all")
    parser.add_argument("row", nargs="*", type=int, help="numbers of rows; default: all rows")
    options = parser.parse_args(arguments)
    known = {row.number for row in rows}
    if unknown := set(options.row) - known:
        parser.error(f"no row {min(unknown)}: there are {', '.join(map(str, sorted(known)))}")
    chosen = [row for row in rows if not options.row or row.number in options.row]
    case, goal = (max(len(getattr(row, name)) for row in rows) for name in ("case", "goal"))
    print(
        f"{'row':>3}  {'case':<{case}}  {'held':<4}  {'goal':<{goal}}  figure reached", flush=True
    )
    held = True
    for row, figure, holds in _results(chosen, options.quick):
        verdict = "yes" if holds else "NO"
        line = f"{row.number:>3}  {row.case:<{case}}  {verdict:<4}  {row.goal:<{goal}}  {figure}"
        print(line, flush=True)
        held &= holds
    return 0 if held else 1
