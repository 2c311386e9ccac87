"""The fault table: its rows, their tests, and the command that runs rows and prints a line for each."""

import argparse
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.e2e.exporter_process import ROOT
from tests.programs import finished

Run = Callable[..., str]
"""`run(folder, quick)` tests a row in `folder`, quick or at full length, and returns the figure that it
reached. A row with mutants also takes `mutant`. Raises when the row does not hold."""


class Missed(AssertionError):
    """A measured figure does not reach its goal; the text is the figure."""


@dataclass(frozen=True)
class Mutant:
    """A build without one guard. `code` is Python that runs before the program, unless the row documents
    another meaning.

    The row's quick version must raise `Missed` with a figure that the pattern `figure` matches.
    """

    guard: str
    code: str
    figure: str = ""


@dataclass(frozen=True)
class Row:
    """A row of the fault table. `nodes` are pytest ids of tests in other packages that test the row."""

    number: int
    case: str
    goal: str
    run: Run
    mutants: Sequence[Mutant] = ()
    nodes: Sequence[str] = ()


def patched(name: str, value: str) -> str:
    """The code of a mutant that replaces `name` in the program by an expression, which may use `original`."""
    owner, _, attribute = name.rpartition(".")
    return f"""
import pkgutil
owner = pkgutil.resolve_name({owner!r})
owner.{attribute} = (lambda original: {value})(owner.{attribute})
"""


def row(number: int, case: str, goal: str, *mutants: Mutant) -> Callable[[Run], Row]:
    """Makes a function a row of the table."""

    return lambda run: Row(number, case, goal, run, mutants)


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
    number: int, case: str, goal: str, *nodes: str, full: str = "", mutants: Sequence[Mutant] = ()
) -> Row:
    """A row for existing tests. At full length they run with FAULTS=full, and `full` is the figure.

    The figure of a mutant, whose code runs in the process of the tests, is the first test that fails.
    """

    def run(folder: Path, quick: bool, mutant: str = "") -> str:
        done = finished(
            *(
                sys.executable,
                "-c",
                f"{mutant}\nimport sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))",
            ),
            *("-q", "-s", "-x", "-p", "no:cacheprovider", f"--basetemp={folder / 'tests'}", *nodes),
            cwd=ROOT,
            # These tests need no plugin, and loading all takes a fifth of a quick row.
            env={
                **os.environ,
                "FAULTS": "" if quick else "full",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
        )
        if failed := re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE):
            raise Missed(failed[1])
        passed = re.search(r"(\d+) passed", done.stdout)
        assert passed, done.stdout + done.stderr
        return f"{passed[1]} tests passed" if quick or not full else full

    return Row(number, case, goal, run, mutants, nodes)


def checks_of(*modules: ModuleType) -> tuple[Callable[..., None], Callable[..., None]]:
    """Two tests of the rows in these modules: each row holds at quick length, and fails without each
    guard."""
    rows = rows_of(*modules)
    mutants = [
        pytest.param(row, mutant, id=f"{row.number}-{mutant.guard}")
        for row in rows
        for mutant in row.mutants
    ]

    @pytest.mark.parametrize("row", rows, ids=lambda row: f"{row.number}-{row.case}")
    def holds(row: Row, tmp_path: Path) -> None:
        row.run(tmp_path, True)

    @pytest.mark.parametrize(("row", "mutant"), mutants)
    def fails(row: Row, mutant: Mutant, tmp_path: Path) -> None:
        with pytest.raises(Missed, match=mutant.figure):
            row.run(tmp_path, True, mutant.code)

    return holds, fails


def main(rows: Sequence[Row], description: str | None) -> int:
    """Run the requested rows and print a line for each. Returns 0 if all hold, otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=description)
    parser.add_argument("--quick", action="store_true", help="short versions, minutes in all")
    parser.add_argument("row", nargs="*", type=int, help="numbers of rows; default: all rows")
    options = parser.parse_args()
    if unknown := set(options.row) - {row.number for row in rows}:
        parser.error(f"no row {min(unknown)}: rows are 1 to {len(rows)}")
    case, goal = (max(len(getattr(row, name)) for row in rows) for name in ("case", "goal"))
    print(f"row  {'case':<{case}}  held  {'goal':<{goal}}  figure reached", flush=True)
    missed = 0
    for row in rows:
        if options.row and row.number not in options.row:
            continue
        verdict = "yes"
        with tempfile.TemporaryDirectory(prefix=f"faults-{row.number}-") as folder:
            try:
                figure = row.run(Path(folder), options.quick)
            except Exception as error:
                verdict, figure = "NO", str(error).strip()
                if not isinstance(error, Missed):
                    traceback.print_exc()
                    figure = figure.partition("\n")[0][:60]
                missed = 1
        line = f"{row.number:>3}  {row.case:<{case}}  {verdict:<4}  {row.goal:<{goal}}  {figure}"
        print(line, flush=True)
    return missed
