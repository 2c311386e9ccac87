"""The rows of the fault table, in its order, and the modules that share a test file."""

from typing import Final

from tests.faults import (
    acknowledgements,
    backups,
    bodies,
    connections,
    descriptors,
    disks,
    double_scrape,
    exposition,
    files,
    floods,
    fuzz,
    kills,
    lost_log,
    power_cut,
    redis_kills,
    soak,
    tests_elsewhere,
)
from tests.faults.table import Row, rows_of

ATTACKS: Final = (bodies, connections, descriptors, floods)
DURABILITY: Final = (acknowledgements, backups, disks, files, kills, power_cut)
OPERATION: Final = (double_scrape, exposition, lost_log, soak)
REDIS: Final = (redis_kills,)
ROWS: Final[tuple[Row, ...]] = rows_of(
    *(*ATTACKS, *DURABILITY, *OPERATION, *REDIS, fuzz, tests_elsewhere)
)
