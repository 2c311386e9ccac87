"""Row 20 of the fault table, in seconds; at full length, and with the p99 held to 20 % more, in `make
faults`."""

from exporter.ledger.coalescing import LONGEST_WAIT
from tests.faults.beacon_flood import Flood, flood

WITHOUT_LIMITS = """
from exporter.token_bucket import TokenBuckets
TokenBuckets.take = lambda *_: None
"""
AT_ONCE = """
from exporter.ledger.coalescing import Coalescer
Coalescer.add = lambda self, item, deferrable: self._send(item)
"""


FEW = {"beacon_rate": 5, "beacon_burst": 50}
"""A rate that is exceeded on a busy machine too, where a flood takes many times its second."""


def held(found: Flood, allowed: float, burst: int) -> bool:
    """No more events than the limit, and everything else is refused."""
    most = burst + found.seconds * allowed + 1
    return found.accepted <= most and set(found.statuses) == {204, 403, 429}


def test_a_flood_with_a_public_key_is_held_to_its_rate_and_reads_nothing(tmp_path):
    found = flood(tmp_path, 1, **FEW)
    assert held(found, 5, 50), found
    assert found.accepted >= 50, "the limit holds off everybody"
    assert found.statuses[403] > 0.4 * found.statuses.total()
    assert found.read == []
    assert found.during


def test_without_the_buckets_the_flood_is_counted(tmp_path):
    """The mutant: what the test above is for."""
    found = flood(tmp_path, 1, WITHOUT_LIMITS, **FEW)
    assert not held(found, 5, 50)
    assert found.statuses[429] == 0


def test_what_a_flood_brings_is_written_along_with_other_senders_events(tmp_path):
    """The mutant writes at once: an fsync for every few of its events, which other senders wait for."""
    for name in ("sound", "mutant"):
        (tmp_path / name).mkdir()
    found = flood(tmp_path / "sound", 1)
    # Twice what it takes without other senders at all, and the ledger's own, one a second.
    assert found.writes < 2 * found.seconds / LONGEST_WAIT + found.seconds
    mutant = flood(tmp_path / "mutant", 1, AT_ONCE)
    assert mutant.writes / mutant.accepted > 2 * found.writes / found.accepted


def test_a_forged_x_forwarded_for_makes_no_other_address(tmp_path):
    """The mutant is the setting that believes everybody: each beacon is then from an address of its own."""
    limits = {
        "beacon_burst": 10_000,
        "beacon_address_rate": 1,
        "beacon_address_burst": 20,
        "addresses": 4,
    }
    for name in ("sound", "mutant"):
        (tmp_path / name).mkdir()
    found = flood(tmp_path / "sound", 1, **limits)
    assert held(found, 4, 4 * 20)
    mutant = flood(tmp_path / "mutant", 1, trusted_proxies="127.0.0.0/8", **limits)
    assert not held(mutant, 4, 4 * 20)
