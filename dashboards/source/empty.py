"""Texts that several panels show while they have no data."""

from typing import Final

NO_RULES: Final = "No data: Prometheus scrapes no exporter, or the recording rules are not loaded."
NO_EXPORTER: Final = "No data: Prometheus does not scrape this exporter."
NO_THRESHOLD: Final = (
    "No data: the code has no baseline yet, or the recording rules are not loaded."
)
NO_ENDS: Final = "No data: no session ended, or the recording rules are not loaded."
NO_CODE: Final = "No data: no exporter has this code in its taxonomy."
