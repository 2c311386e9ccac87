"""Token buckets: rates, bursts, debts, and a table that nobody can fill."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.beacons.buckets import Buckets, Limit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def granted(buckets: Buckets, name: str, limit: Limit, tries: int) -> int:
    return sum(buckets.take(name, limit) is None for _ in range(tries))


@pytest.mark.parametrize("limit", [Limit(1, 1), Limit(5, 20), Limit(0.3, 7), Limit(7, 500)])
def test_a_burst_at_once_and_then_the_rate(clock: Clock, limit: Limit) -> None:
    buckets = Buckets(clock)
    assert granted(buckets, "a", limit, limit.burst + 10) == limit.burst
    clock.now += 3 / limit.rate
    assert granted(buckets, "a", limit, 10) == min(3, limit.burst)
    clock.now += 10 * limit.burst / limit.rate
    assert granted(buckets, "a", limit, limit.burst + 10) == limit.burst


def test_the_wait_is_the_whole_seconds_until_there_is_one(clock: Clock) -> None:
    buckets, limit = Buckets(clock), Limit(0.25, 1)
    assert buckets.take("a", limit) is None
    assert buckets.take("a", limit) == 4
    clock.now += 3.5
    assert buckets.take("a", limit) == 1
    clock.now += 0.5
    assert buckets.take("a", limit) is None


def test_who_comes_too_early_is_not_held_off_longer(clock: Clock) -> None:
    buckets, limit = Buckets(clock), Limit(1, 1)
    buckets.take("a", limit)
    assert granted(buckets, "a", limit, 1000) == 0
    clock.now += 1
    assert buckets.take("a", limit) is None


def test_what_was_charged_is_a_debt(clock: Clock) -> None:
    buckets, limit = Buckets(clock), Limit(1, 2)
    buckets.take("a", limit)
    buckets.charge("a", limit, 9)
    assert buckets.take("a", limit) == 9
    clock.now += 9
    assert buckets.take("a", limit) is None


def test_of_those_let_in_at_once_one_overdraws(clock: Clock) -> None:
    buckets, limit = Buckets(clock), Limit(2, 5)
    assert granted(buckets, "a", limit, 5) == 5
    assert buckets.charge("a", limit, 99) is None
    assert buckets.charge("a", limit, 1) == 50
    assert buckets.take("a", limit) == 50
    clock.now += 49.5
    assert buckets.charge("a", limit, 99) is None


def test_full_buckets_are_forgotten_first(clock: Clock) -> None:
    buckets, limit = Buckets(clock, most=100), Limit(1, 5)
    for number in range(100):
        buckets.take(f"idle-{number}", limit)
    clock.now += 10
    assert granted(buckets, "busy", limit, 10) == 5
    assert len(buckets) == 1
    for number in range(99):
        buckets.take(f"new-{number}", limit)
    assert buckets.take("busy", limit) is not None


def test_no_number_of_addresses_gives_one_a_fresh_bucket(clock: Clock) -> None:
    """Fails when the longest silent is forgotten: the flood's own addresses pushed each other out."""
    buckets, limit = Buckets(clock, most=100), Limit(0.001, 1)
    assert buckets.take("attacker", limit) is None
    for number in range(1000):
        buckets.take(f"flood-{number}", limit)
        clock.now += 0.001
    assert len(buckets) <= 101
    assert buckets.take("attacker", limit) is not None


def test_who_was_there_before_a_flood_keeps_his_bucket(clock: Clock) -> None:
    buckets, limit = Buckets(clock, most=100), Limit(0.1, 5)
    assert buckets.take("honest", limit) is None
    for number in range(1000):
        buckets.take(f"flood-{number}", limit)
    assert granted(buckets, "honest", limit, 10) == 4


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5), st.integers(1, 50)), max_size=50))
def test_never_more_than_one_debt_beside_the_burst_and_the_rate(
    steps: list[tuple[float, int, int]],
) -> None:
    clock = Clock()
    buckets, limit = Buckets(clock), Limit(2, 3)
    taken = 0
    for pause, together, cost in steps:
        clock.now += pause
        let_in = granted(buckets, "a", limit, together)
        taken += let_in
        taken += cost * sum(buckets.charge("a", limit, cost) is None for _ in range(let_in))
    assert taken <= limit.burst + 50 + (clock.now - 1000) * limit.rate + 1e-3


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2), st.integers(0, 3)), max_size=200)
)
def test_never_more_than_the_burst_and_the_rate(steps: list[tuple[str, float, int]]) -> None:
    clock = Clock()
    buckets, limit = Buckets(clock), Limit(2, 3)
    taken = dict.fromkeys("abc", 0)
    for name, pause, cost in steps:
        clock.now += pause
        if buckets.take(name, limit) is None:
            taken[name] += 1
            if cost:
                buckets.charge(name, limit, cost)
    for count in taken.values():
        assert count <= limit.burst + (clock.now - 1000) * limit.rate + 1e-3
