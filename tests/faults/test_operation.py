"""Rows of the fault table about settings, certificates, logs and scrapes."""

from tests.faults import (
    certificate,
    configuration,
    double_scrape,
    exposition,
    long_durations,
    lost_log,
    soak,
)
from tests.faults.checks import checks

test_row_holds, test_row_fails_without_guard = checks(
    certificate, configuration, double_scrape, exposition, long_durations, lost_log, soak
)
