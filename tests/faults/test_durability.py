"""Rows of the fault table about kills, disks and the ledger's files."""

from tests.faults import disks, files, kills, order, power_cut, retry_storm
from tests.faults.checks import checks

test_row_holds, test_row_fails_without_guard = checks(
    kills.KILLS,
    kills.STOPS,
    order.ROW,
    power_cut.ROW,
    disks.FULL,
    disks.HANGING,
    files.SECOND_WRITER,
    files.REPLACED,
    files.FIRST_START,
    retry_storm.ROW,
)
