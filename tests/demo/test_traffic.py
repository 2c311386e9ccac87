"""The traffic of the demo."""

from collections import Counter

from exporter.demo.compressed import SPEED
from exporter.demo.traffic import BEGIN, CODE, INCIDENT, SYSTEM, past, queue
from exporter.simulate.history import HOUR
from exporter.simulate.profiles import SYSTEMS


def test_past_has_more_than_a_day_of_both_systems_until_the_demo_begins() -> None:
    histories = past()
    assert [history.system for history in histories] == list(SYSTEMS)
    for history in histories:
        assert history.end == BEGIN
        assert history.end - history.start > 24 * HOUR
        assert history.incidents == ()


def test_outage_affects_a_third_of_one_system_only() -> None:
    """An hour, which takes two minutes in the demo."""
    assert HOUR / SPEED == 120
    normal, outage = (
        Counter((event["system"], event["code"]) for event in queue(plan).until(BEGIN + HOUR))
        for plan in ((), [(INCIDENT, 0.0)])
    )
    total = sum(count for (system, _), count in outage.items() if system == SYSTEM)
    assert total > 1000
    assert 0.25 < outage[SYSTEM, CODE] / total < 0.45
    assert normal[SYSTEM, CODE] / total < 0.02
    for key in {*normal, *outage}:
        assert key[0] == SYSTEM or normal[key] == outage[key]
