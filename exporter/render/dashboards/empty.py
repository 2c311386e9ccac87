"""What panels say when they show nothing, and why, where several of them say the same."""

from typing import Final

NO_RULES: Final = "No data: Prometheus has no exporter, or has not loaded the recording rules."
NO_EXPORTER: Final = "No data: Prometheus scrapes no exporter, or not this one."
NO_LIMIT: Final = (
    "No data: this code never alerts and has no limit, or the recording rules are not loaded."
)
NO_ENDS: Final = "No data: nothing ended, or the recording rules are not loaded."
NO_CODE: Final = "No data: no exporter knows this code."
