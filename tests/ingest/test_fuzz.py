"""Thousands of hostile bodies; `make faults` sends ten million (row 16 of the fault table)."""

from exporter.taxonomy import Taxonomy
from tests.faults.fuzz import fuzz


def test_no_hostile_body_is_more_than_refused(taxonomy: Taxonomy) -> None:
    """Fails without the count of quotes, the checks of Unicode, label characters, numbers and base64 data."""
    report = fuzz(30_000, 1, taxonomy)
    assert report.inputs == 30_000
    # Inputs that are refused at the first byte would test nothing.
    assert min(report.fast, report.classified - report.fast, report.refused) > 2000
    assert min(report.events, report.rejected) > 3000
    assert set(report.statuses) >= {"200", "400", "422"}
    assert report.scrapes == 6
