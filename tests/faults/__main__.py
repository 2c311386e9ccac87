"""`python -m tests.faults [--quick] [ROW …]`: the fault table at full length, a line a row.

Exits with 1 when a row does not hold. Goals are those of the design's fault table.
"""

import sys
from typing import Final

from tests.faults import (
    beacon_flood,
    certificate,
    double_scrape,
    endless_body,
    engine_kills,
    failovers,
    first_start,
    foreign_host,
    fuzz,
    gzip_bomb,
    hanging_disk,
    kills,
    label_flood,
    lost_log,
    order,
    password_flood,
    poison,
    power_cut,
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
    engine_kills.ROW,
    failovers.ROW,
    row_tests.ENGINE,
    soak.ROW,
    lost_log.ROW,
    replaced_files.ROW,
    hanging_disk.ROW,
    first_start.ROW,
    certificate.ROW,
    foreign_host.ROW,
    double_scrape.ROW,
)


if __name__ == "__main__":
    sys.exit(main(ROWS, __doc__))
