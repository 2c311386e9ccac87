"""The rows of the fault table, in its order, and the modules that share a test file."""

from typing import Final

from tests.faults import (
    backups,
    bodies,
    certificate,
    configuration,
    connections,
    descriptors,
    disks,
    double_scrape,
    exposition,
    failovers,
    files,
    floods,
    foreign_host,
    fuzz,
    kills,
    long_durations,
    lost_log,
    order,
    otlp,
    power_cut,
    redis_kills,
    retry_storm,
    slow_peers,
    soak,
    tests_elsewhere,
)
from tests.faults.table import Row, rows_of

ATTACKS: Final = (bodies, connections, descriptors, floods, foreign_host, slow_peers)
DURABILITY: Final = (backups, disks, files, kills, order, otlp, power_cut, retry_storm)
OPERATION: Final = (
    *(certificate, configuration, double_scrape, exposition),
    *(long_durations, lost_log, soak),
)
REDIS: Final = (failovers, redis_kills)
ROWS: Final[tuple[Row, ...]] = rows_of(
    *(*ATTACKS, *DURABILITY, *OPERATION, *REDIS, fuzz, tests_elsewhere)
)
