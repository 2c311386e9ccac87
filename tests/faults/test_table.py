"""`make faults`: its rows, and the table that it prints."""

import subprocess
import sys

from tests.e2e.exporter_process import ROOT
from tests.faults.rows import ROWS
from tests.faults.table import Row, main, reached


def fails(_folder, _quick):
    raise AssertionError("an id counted twice")


def test_table_names_a_row_that_fails_and_ends_with_1(capsys):
    rows = (
        Row(1, "first", "9", lambda *_: "9 kills"),
        Row(2, "second", "none twice", fails),
        Row(3, "third", "50 ms", lambda *_: reached("p99 51 ms", False)),
    )
    assert main(rows, "", ["--quick"]) == 1
    printed = capsys.readouterr()
    assert [" ".join(line.split()) for line in printed.out.splitlines()] == [
        "row case held goal figure reached",
        "1 first yes 9 9 kills",
        "2 second NO none twice an id counted twice",
        "3 third NO 50 ms p99 51 ms",
    ]
    assert printed.err.count("Traceback") == 1, "a missed figure needs none"
    assert [main(rows, "", [number]) for number in ("1", "3")] == [0, 1]


def test_rows_are_those_of_the_fault_table_in_its_order():
    assert [row.number for row in ROWS] == list(range(1, 39))


def test_rows_of_tests_name_tests_that_exist():
    nodes = sorted({node for row in ROWS for node in row.nodes})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
