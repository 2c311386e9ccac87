"""The fault table has all its rows, and rows that other tests hold name tests that exist."""

import pytest

from tests.e2e.exporter_process import ROOT
from tests.faults import table
from tests.faults.rows import ROWS
from tests.faults.senders import Sender


def test_rows_of_tests_name_tests_that_exist():
    assert [row.number for row in ROWS] == list(range(1, 42))
    contract = (ROOT / "tests/ledger/contract.py").read_text()
    for node in {node for row in ROWS for node in row.nodes}:
        path, *names = node.split("::")
        text = (ROOT / path).read_text() + contract
        assert all(f"def {name}(" in text or f"class {name}(" in text for name in names), node


def test_senders_end_with_a_row_that_fails(tmp_path):
    senders = []

    @table.row(0, "", "")
    def failing(_folder, _quick):
        senders.append(Sender("sender", lambda: None, 1, 1))
        senders[0].start()
        raise table.Missed

    with pytest.raises(table.Missed):
        failing.run(tmp_path, True)
    assert not senders[0].is_alive()
