"""Rows of the fault table about settings, certificates, logs and scrapes."""

from tests.faults.rows import OPERATION
from tests.faults.table import checks_of

test_row_holds, test_row_fails_without_guard = checks_of(*OPERATION)
