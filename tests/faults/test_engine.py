"""The shared ledger's store dies under load: short versions of rows 22 and 23."""

from tests.faults.engine_kills import kill_engine
from tests.faults.failovers import fail_over


def test_five_kills_of_redis_under_load_lose_and_double_nothing(tmp_path):
    """Fails when a batch is acknowledged although its script had no answer."""
    outcome = kill_engine(tmp_path, 5)
    assert outcome.counted == outcome.events
    assert outcome.codes == {503}
    assert outcome.retries > 0, "no sender was ever refused: the kills hit nothing"


def test_a_failover_takes_no_total_back_and_counts_no_surviving_id_twice(tmp_path):
    """Loopback replicates so fast that little is lost: `test_redis_cluster` has one that loses, and fails
    without high-water marks."""
    outcome = fail_over(tmp_path, 2)
    assert outcome.fell == 0
    assert outcome.written == outcome.claims <= outcome.events
    assert outcome.shown >= outcome.written
    assert outcome.events - outcome.claims <= outcome.lost + outcome.retries * 20
