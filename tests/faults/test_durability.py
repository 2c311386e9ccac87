"""Rows of the fault table about kills, disks and the ledger's files."""

from tests.faults import disks, files, kills, order, power_cut, retry_storm
from tests.faults.checks import checks

test_row_holds, test_row_fails_without_guard = checks(
    kills, order, power_cut, disks, files, retry_storm
)
