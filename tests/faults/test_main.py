"""`make faults`: the rows there are, and the table with rows of its own."""

import subprocess
import sys

import pytest

from tests.faults import __main__ as faults
from tests.faults import label_flood
from tests.faults.label_flood import Flood
from tests.faults.table import Missed, Row, main, parts, reached


def fails(_folder, _quick):
    raise AssertionError("an id counted twice")


def misses(_folder, _quick):
    return reached("p99 51 ms", 51 < 50)


def test_a_row_that_does_not_hold_is_named_and_ends_in_exit_code_1(capsys):
    rows = (
        Row(1, "first", "9", lambda *_: "9 kills"),
        Row(2, "second", "none twice", fails),
        Row(3, "third", "50 ms", misses),
    )
    assert main(rows, "", ["--quick"]) == 1
    printed = capsys.readouterr()
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert lines == [
        "row case held goal figure reached",
        "1 first yes 9 9 kills",
        "2 second NO none twice an id counted twice",
        "3 third NO 50 ms p99 51 ms",
    ]
    assert printed.err.count("Traceback") == 1, "a figure that is missed needs none"
    assert main(rows, "", ["1"]) == 0
    assert main(rows, "", ["3"]) == 1


def test_a_row_that_is_a_test_fails_with_it(tmp_path):
    with pytest.raises(AssertionError, match=r"not found|no tests"):
        parts("tests/faults/test_main.py::test_that_is_not_there")(tmp_path, True)


def test_rows_are_in_the_order_of_the_fault_table_and_each_once():
    numbers = [row.number for row in faults.ROWS]
    assert numbers == sorted(set(numbers))
    expected = set(range(1, 39))
    assert set(numbers) == expected


def test_the_command_runs_the_row_that_is_asked_for_and_says_its_goal():
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--quick", "14"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["row", "14"]
    assert "413, reads ≤ limit + 64 KiB" in done.stdout


def test_a_row_whose_figure_misses_its_goal_says_the_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(label_flood, "flood", lambda *_: Flood(52, 92, 19_999, 19_950, 0.01))
    with pytest.raises(Missed, match="19,999 counted"):
        label_flood.ROW.run(tmp_path, True)
