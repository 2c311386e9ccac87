"""Rows of the fault table about floods, slow peers and large bodies."""

from tests.faults import bodies, floods, foreign_host, sockets
from tests.faults.checks import checks

test_row_holds, test_row_fails_without_guard = checks(bodies, floods, foreign_host, sockets)
