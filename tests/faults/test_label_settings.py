"""Row 37 of the fault table, a setting of each kind."""

import pytest

from tests.faults.label_settings import accepted, label_settings

WITHOUT_DISTINCT = """
from exporter.settings import values
values.Counter = lambda _names: {}
"""
WITHOUT_RESERVED = """
from exporter.settings import values
values.RESERVED_LABELS = frozenset()
"""


def test_label_settings_that_break_a_scrape_are_refused_by_check_and_serve(tmp_path):
    """Fails on each mutant of the next test."""
    assert label_settings(tmp_path, quick=True).endswith("accepted: none")


@pytest.mark.parametrize(
    ("labels", "mutant"),
    [('["region", "region"]', WITHOUT_DISTINCT), ('["job"]', WITHOUT_RESERVED)],
)
def test_label_settings_pass_check_without_the_rule(tmp_path, labels, mutant):
    """The mutants: what the test above is for."""
    assert accepted(tmp_path, "check", labels, mutant)
