"""What the demo posts."""

from collections import Counter
from itertools import islice

from exporter.demo.compressed import SPEED
from exporter.demo.traffic import BEGIN, CODE, SYSTEM, Live, past
from exporter.simulate.live import PACE
from exporter.simulate.profiles import SYSTEMS


def test_the_past_ends_where_the_demo_begins_and_is_longer_than_a_day() -> None:
    histories = past(seed=1)
    assert [one.system for one in histories] == list(SYSTEMS)
    assert {one.end for one in histories} == {BEGIN}
    assert all(one.end - one.start > 86400 for one in histories)
    assert all(one.incidents == () for one in histories)


def test_the_outage_takes_a_third_of_one_system_s_sessions_and_nothing_of_the_other_s() -> None:
    """An hour, which is two minutes of the demo."""
    usual: Counter[tuple[object, object]] = Counter()
    outage: Counter[tuple[object, object]] = Counter()
    for well, ill in islice(Live("http://127.0.0.1:1", seed=1)._due(), round(3600 / SPEED / PACE)):
        usual.update((one["system"], one["code"]) for one in well)
        outage.update((one["system"], one["code"]) for one in ill)
    of_all = sum(count for (system, _), count in outage.items() if system == SYSTEM)
    assert of_all > 1000
    assert 0.25 < outage[SYSTEM, CODE] / of_all < 0.45
    assert usual[SYSTEM, CODE] / of_all < 0.02
    other = {key: count for key, count in usual.items() if key[0] != SYSTEM}
    assert other == {key: count for key, count in outage.items() if key[0] != SYSTEM}
    assert sum(other.values()) > 1000
