"""Rows of the fault table about floods, slow peers and large bodies."""

from tests.faults.rows import ATTACKS
from tests.faults.table import checks_of

test_row_holds, test_row_fails_without_guard = checks_of(*ATTACKS)
