"""`python -m tests.faults [--quick] [ROW …]`: the rows of the fault table at full length, one line per row.

Exits with 1 when a row does not hold.
"""

import sys

from tests.faults.rows import ROWS
from tests.faults.table import main

if __name__ == "__main__":
    sys.exit(main(ROWS, __doc__))
