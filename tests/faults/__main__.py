"""`python -m tests.faults [--quick] [ROW …]`: the fault table at full length, a line a row.

Exits with 1 when a row does not hold. Goals are those of the design's fault table.
"""

import sys
from typing import Final

from tests.faults import (
    beacon_flood,
    certificate,
    changed_settings,
    connection_flood,
    deep_beacons,
    double_scrape,
    endless_body,
    failovers,
    few_descriptors,
    first_start,
    foreign_host,
    fuzz,
    gzip_bomb,
    hanging_disk,
    kills,
    label_flood,
    label_settings,
    long_durations,
    lost_log,
    order,
    password_flood,
    poison,
    power_cut,
    redis_kills,
    replaced_files,
    retry_storm,
    row_tests,
    second_writer,
    slow_sockets,
    soak,
    test_full_disk,
)
from tests.faults.table import Row, main

ROWS: Final[tuple[Row, ...]] = (
    kills.KILLS,
    order.ROW,
    power_cut.ROW,
    row_tests.FSYNC,
    test_full_disk.ROW,
    row_tests.DAMAGE,
    second_writer.ROW,
    retry_storm.ROW,
    row_tests.CONFLICTS,
    kills.STOPS,
    row_tests.CLOCKS,
    slow_sockets.ROW,
    row_tests.HEADERS,
    endless_body.ROW,
    gzip_bomb.ROW,
    fuzz.ROW,
    poison.ROW,
    label_flood.ROW,
    row_tests.NOTIFICATIONS,
    beacon_flood.ROW,
    password_flood.ROW,
    redis_kills.ROW,
    failovers.ROW,
    row_tests.REDIS,
    soak.ROW,
    lost_log.ROW,
    connection_flood.ROW,
    replaced_files.ROW,
    few_descriptors.ROW,
    hanging_disk.ROW,
    deep_beacons.ROW,
    long_durations.ROW,
    first_start.ROW,
    certificate.ROW,
    foreign_host.ROW,
    changed_settings.ROW,
    label_settings.ROW,
    double_scrape.ROW,
)


if __name__ == "__main__":
    sys.exit(main(ROWS, __doc__))
