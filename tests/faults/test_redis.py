"""Redis is killed under load: short versions of rows 22 and 23."""

from tests.faults.failovers import fail_over
from tests.faults.redis_kills import kill_redis


def test_kills_of_redis_under_load_lose_and_double_nothing(tmp_path):
    """Fails when a batch is acknowledged although Redis did not answer."""
    outcome = kill_redis(tmp_path, 5)
    assert outcome.counted == outcome.events
    assert outcome.codes == {503}
    assert outcome.retries > 0, "no sender was ever refused: the kills hit nothing"


def test_failovers_lower_no_total_and_count_no_surviving_id_twice(tmp_path):
    """Loopback replicates too fast to lose much; `test_redis_cluster` has a failover that loses events."""
    outcome = fail_over(tmp_path, 2)
    assert outcome.fell == 0
    assert outcome.written == outcome.claims <= outcome.events
    assert outcome.shown >= outcome.written
    assert outcome.events - outcome.claims <= outcome.lost + outcome.retries * 20
