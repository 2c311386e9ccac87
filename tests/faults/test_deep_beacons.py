"""Row 31 of the fault table, in seconds; the p99 is held to 20 % more in `make faults`."""

from tests.faults.deep_beacons import deep, deep_beacons, held, send_deep

WITHOUT_BYTES = """
import exporter.beacons.route
exporter.beacons.route.BYTES_PER_EVENT = 1 << 30
"""


def test_deep_beacons_are_charged_for_their_bytes(tmp_path):
    """Fails on the mutant of the next test."""
    assert "× 204" in deep_beacons(tmp_path, quick=True)


def test_without_a_charge_for_bytes_deep_beacons_are_all_decoded(tmp_path):
    """The mutant: what the test above is for."""
    assert not held(send_deep(tmp_path, 3, WITHOUT_BYTES))


def test_a_deep_beacon_is_just_within_64_kib():
    assert 65_300 < len(deep("3-999")) <= 65_536
