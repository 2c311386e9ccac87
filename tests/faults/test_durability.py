"""Rows of the fault table about kills, disks and the ledger's files."""

from tests.faults.rows import DURABILITY
from tests.faults.table import checks_of

test_row_holds, test_row_fails_without_guard = checks_of(*DURABILITY)
