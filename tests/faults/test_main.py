"""`make faults`, with rows of its own."""

import subprocess
import sys

import pytest

from tests.faults.__main__ import ROWS, Row, label_values, main, parts


def fails(_folder, _quick):
    raise AssertionError("an id counted twice")


def test_a_row_that_does_not_hold_is_named_and_ends_in_exit_code_1(capsys):
    rows = (Row(1, "first", lambda *_: "9 kills"), Row(2, "second", fails))
    assert main(["--quick"], rows) == 1
    printed = capsys.readouterr()
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert lines == [
        "row case held figure reached",
        "1 first yes 9 kills",
        "2 second NO an id counted twice",
    ]
    assert "Traceback" in printed.err
    assert main(["1"], rows) == 0


def test_a_row_that_is_a_test_fails_with_it(tmp_path):
    with pytest.raises(AssertionError, match=r"not found|no tests"):
        parts("tests/faults/test_main.py::test_that_is_not_there")(tmp_path, True)


def test_rows_are_in_the_order_of_the_fault_table_and_each_once():
    numbers = [row.number for row in ROWS]
    assert numbers == sorted(set(numbers))
    assert set(numbers) == {1, 2, 5, 6, 7, 10, 12, 13, 14, 15, 18}


def test_the_command_runs_the_row_that_is_asked_for(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--quick", "14"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["row", "14"]


def test_a_row_whose_invariant_fails_raises(tmp_path, monkeypatch):
    from tests.e2e import test_hostile

    monkeypatch.setattr(
        test_hostile, "flood", lambda *_: test_hostile.Flood(52, 92, 19_999, 19_950, 0.01)
    )
    with pytest.raises(AssertionError):
        label_values(tmp_path, True)
