"""The fault table has all its rows, and rows that are tested elsewhere name existing tests."""

from tests.e2e.exporter_process import ROOT
from tests.faults import tests_elsewhere
from tests.faults.rows import ROWS
from tests.faults.table import checks_of

_, test_row_fails_without_guard = checks_of(tests_elsewhere)


def test_rows_of_tests_name_tests_that_exist():
    assert [row.number for row in ROWS] == list(range(1, 42))
    for node in {node for row in ROWS for node in row.nodes}:
        path, *names = node.split("::")
        text = (ROOT / path).read_text()
        assert all(f"def {name}(" in text or f"class {name}(" in text for name in names), node
