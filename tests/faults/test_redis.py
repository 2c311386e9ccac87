"""Rows of the fault table about Redis: kills and failovers under load."""

from tests.faults.rows import REDIS
from tests.faults.table import checks_of

test_row_holds, test_row_fails_without_guard = checks_of(*REDIS)
