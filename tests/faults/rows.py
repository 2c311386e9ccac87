"""The rows of the fault table, in its order."""

from typing import Final

from tests.faults import (
    bodies,
    certificate,
    configuration,
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
    power_cut,
    redis_kills,
    retry_storm,
    soak,
    sockets,
    tests_elsewhere,
)
from tests.faults.table import Row, rows_of

ROWS: Final[tuple[Row, ...]] = rows_of(
    bodies,
    certificate,
    configuration,
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
    power_cut,
    redis_kills,
    retry_storm,
    soak,
    sockets,
    tests_elsewhere,
)
