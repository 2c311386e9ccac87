"""Token buckets: rates, bursts, debts, and a table of bounded size."""

import math

import pytest

from exporter.token_bucket import Limit, TokenBuckets, bucket_name
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def granted(buckets: TokenBuckets, name: str, limit: Limit, attempts: int) -> int:
    return sum(buckets.take(name, limit) is None for _ in range(attempts))


@pytest.mark.parametrize("limit", [Limit(1, 1), Limit(5, 20), Limit(0.3, 7), Limit(7, 500)])
def test_burst_is_granted_at_once_and_then_the_rate(clock: Clock, limit: Limit) -> None:
    buckets = TokenBuckets(clock)
    assert granted(buckets, "a", limit, limit.burst + 10) == limit.burst
    clock.now += 3 / limit.rate
    assert granted(buckets, "a", limit, 10) == min(3, limit.burst)
    clock.now += 10 * limit.burst / limit.rate
    assert granted(buckets, "a", limit, limit.burst + 10) == limit.burst


def test_wait_is_whole_seconds_and_not_extended_by_attempts(clock: Clock) -> None:
    buckets, limit = TokenBuckets(clock), Limit(0.25, 1)
    assert buckets.take("a", limit) is None
    assert {buckets.take("a", limit) for _ in range(1000)} == {4}
    clock.now += 3.5
    assert buckets.take("a", limit) == 1
    clock.now += 0.5
    assert buckets.take("a", limit) is None


def test_charge_makes_one_debt_at_a_time(clock: Clock) -> None:
    buckets, limit = TokenBuckets(clock), Limit(2, 5)
    assert granted(buckets, "a", limit, 5) == 5
    assert buckets.take("a", limit, 99, 0) is None
    assert buckets.take("a", limit, 1, 0) == 50
    assert buckets.take("a", limit) == 50
    clock.now += 49.5
    assert buckets.take("a", limit, 99, 0) is None
    buckets.take("a", limit, 2, -math.inf)
    assert buckets.take("a", limit) == 51


def test_full_buckets_are_dropped_first(clock: Clock) -> None:
    buckets, limit = TokenBuckets(clock, max_buckets=100), Limit(1, 5)
    for number in range(100):
        buckets.take(f"idle-{number}", limit)
    clock.now += 10
    assert granted(buckets, "busy", limit, 10) == 5
    assert len(buckets) == 1
    for number in range(99):
        buckets.take(f"new-{number}", limit)
    assert buckets.take("busy", limit) is not None


def test_full_table_is_swept_once_a_second(clock: Clock) -> None:
    """Fails when each new name sweeps the table, which takes a millisecond."""
    buckets, limit = TokenBuckets(clock, max_buckets=1), Limit(100, 1)
    for name in ("first", "second", "shared"):
        assert buckets.take(name, limit) is None
        clock.now += 0.1 if name != "shared" else 0
    assert buckets.take("shared too", limit) is not None


def test_flood_of_names_neither_resets_nor_drains_a_bucket(clock: Clock) -> None:
    """Fails when the oldest bucket is evicted: addresses of a flood evicted each other with their debts."""
    buckets, limit = TokenBuckets(clock, max_buckets=100), Limit(0.001, 5)
    assert granted(buckets, "attacker", limit, 10) == 5
    assert granted(buckets, "honest", limit, 1) == 1
    for number in range(1000):
        buckets.take(f"flood-{number}", limit)
        clock.now += 0.001
    assert len(buckets) <= 101
    assert granted(buckets, "attacker", limit, 10) == 0
    assert granted(buckets, "honest", limit, 10) == 4


@pytest.mark.parametrize(
    ("addresses", "hosts"),
    [
        (["2001:db8::1", "2001:db8::2"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["::ffff:192.0.2.1", "192.0.2.1"], 1),
        (["fe80::1%eth0", "fe80::2%eth1"], 1),
        (["not:an:address", "not:an:other"], 2),
    ],
)
def test_ipv6_network_is_one_host(addresses: list[str], hosts: int) -> None:
    """Fails when each IPv6 address has its own bucket: one host has 2**64 addresses."""
    assert len(set(map(bucket_name, addresses))) == hosts


def test_bucket_name_of_any_client_text_is_short() -> None:
    """A proxy may pass on 16 KiB of a client's text as an address: 10,000 such names fill the memory."""
    assert {len(bucket_name("x" * size)) for size in (45, 16_000)} == {45}
