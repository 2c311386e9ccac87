"""Row 32 of the fault table, each number once."""

import math

from tests.faults.long_durations import long_durations, send_durations

WITHOUT_BOUND = """
import exporter.ingest.classify
exporter.ingest.classify.MAX_DURATION = 1.7e308
"""
WITHOUT_BOUND_OF_BEACONS = """
import exporter.beacons.decode
exporter.beacons.decode.MAX_DURATION = 1.7e308
"""


def test_durations_beyond_the_bound_are_refused_and_the_sum_stays_finite(tmp_path):
    """Fails on each mutant below."""
    assert "25 of 25 refused" in long_durations(tmp_path, quick=True)


def test_without_the_bound_two_durations_make_the_sum_infinite(tmp_path):
    """The mutant: what the test above is for."""
    found = send_durations(tmp_path, mutant=WITHOUT_BOUND)
    assert not found.holds
    assert math.isinf(found.sum)


def test_without_their_own_bound_beacons_pass_a_year(tmp_path):
    """The mutant: a browser's duration is then held to the bound of trusted senders alone."""
    found = send_durations(tmp_path, mutant=WITHOUT_BOUND_OF_BEACONS)
    assert not found.holds
    assert found.rejected == found.sent - 1
