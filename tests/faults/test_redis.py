"""Rows of the fault table about Redis: kills and failovers under load."""

from tests.faults.rows import REDIS
from tests.faults.table import checks_of

test_row_holds, _ = checks_of(*REDIS)
