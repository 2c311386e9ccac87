"""The shared ledger on a Cluster: shards that can't be reached or move."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from exporter.ledger.redis.ledger import RedisLedger
from tests.e2e.exporter_process import wait_for
from tests.ledger.batches import FAILURE, OTHER, batch, key
from tests.ledger.home import RedisHome, retried, unavailable, until, value
from tests.ledger.redis_server import RedisCluster, RedisServer

SHARDS = 16


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """The Cluster, empty at the start of the test, and settled at its end."""
    redis_cluster.empty()
    yield redis_cluster
    wait_for(redis_cluster.settled, what="a Cluster that serves all slots")


@pytest.fixture
def home(cluster: RedisCluster) -> RedisHome:
    return RedisHome(cluster.url)


def shard_of(number: int) -> int:
    return int.from_bytes(key(number)[:4]) % SHARDS


def numbers_of(shard: int) -> list[int]:
    return [number for number in range(4000) if shard_of(number) == shard]


def move(slot: int, source: RedisServer, target: RedisServer, cluster: RedisCluster) -> None:
    """Move a slot a few keys at a time, as `redis-cli --cluster reshard` does."""
    ids = {node: node.command("CLUSTER", "MYID").decode() for node in (source, target)}
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    while names := source.command("CLUSTER", "GETKEYSINSLOT", slot, 5):
        source.command(
            *("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *names)
        )
    for node in (target, source, *cluster.masters()):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


async def test_batches_of_a_silent_shard_are_503_and_retries_are_exact(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Fails when a batch is acknowledged although a part of it is not."""
    ledger = await home.open(timeout=5.0)
    silent = cluster.master_of(shard_of(0))
    lost = {shard for shard in range(SHARDS) if cluster.master_of(shard) is silent}
    silent.pause()
    try:
        answers = await asyncio.gather(
            ledger.commit(batch(range(100, 200))),
            *(ledger.commit(batch([number])) for number in range(60)),
            return_exceptions=True,
        )
        assert "does not answer" in str(ledger.status().problem)
        sent = [*range(60), *range(100, 200)]
        assert value(ledger) == sum(shard_of(number) not in lost for number in sent)
    finally:
        silent.resume()
    refused = [isinstance(answer, Exception) for answer in answers]
    assert refused == [True, *(shard_of(number) in lost for number in range(60))]
    await retried(ledger, range(200))
    assert value(ledger) == cluster.ids() == 200


async def test_slot_moving_under_load_loses_and_doubles_nothing(
    home: RedisHome, cluster: RedisCluster
) -> None:
    ledger, other = await home.open(), await home.open()
    numbers = numbers_of(3)[:200]
    await ledger.commit(batch(numbers[:100], of=OTHER))
    source = cluster.master_of(3)
    target = next(node for node in cluster.masters() if node is not source)
    done = 0
    stop = asyncio.Event()

    async def send(through: RedisLedger, first: int) -> None:
        nonlocal done
        while not stop.is_set():
            await retried(through, range(first + done, first + done + 10))
            done += 10

    load = asyncio.create_task(send(ledger, 10_000))
    await until(lambda: done > 50)
    await asyncio.to_thread(move, redis.crc.key_slot(b"{3}"), source, target, cluster)
    moved = done
    await until(lambda: done > moved + 50)
    stop.set()
    await load
    # Through the other replica, which does not know of the move yet.
    await retried(other, numbers, OTHER)
    for of, count in ((FAILURE, done), (OTHER, len(numbers))):
        await until(lambda of=of, count=count: value(ledger, of) == value(other, of) == count)
    assert cluster.ids() == done + len(numbers)


async def test_moved_slot_is_followed(home: RedisHome, cluster: RedisCluster) -> None:
    ledger = await home.open()
    source = cluster.master_of(5)
    target = next(node for node in cluster.masters() if node is not source)
    # On this thread: the ledger sees the Cluster before and after the move, and not between.
    move(redis.crc.key_slot(b"{5}"), source, target, cluster)
    wait_for(lambda: cluster.master_of(5) is target)
    await unavailable(ledger, *range(200))
    await retried(ledger, range(200))
    assert value(ledger) == 200


async def test_write_needs_the_confirmation_of_a_replica(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Duplicates need it too: the master may have the ids while its replica does not."""
    shard = next(n for n in range(SHARDS) if cluster.master_of(n) is not cluster.master_of(0))
    events = numbers_of(shard)[:10]
    first, second = await home.open(), await home.open(timeout=1.0, wait=1)
    master = cluster.master_of(shard)
    wait_for(lambda: cluster.level(master))
    replica = cluster.replica_of(master)
    replica.pause()
    try:
        assert (await first.commit(batch(events))).accepted == 10
        await unavailable(second, *events)
        assert "0 of 1 replicas confirmed a write" in str(second.status().problem)
    finally:
        replica.resume()
    await retried(second, events)
    assert value(second) == 10


async def test_master_is_found_without_the_configured_node(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Fails when only the configured nodes are asked."""
    configured = cluster.replica_of(cluster.master_of(0))
    home.url = f"redis+cluster://127.0.0.1:{configured.port}"
    ledger = await home.open(timeout=5.0)
    await ledger.commit(batch(range(10)))
    configured.pause()
    try:
        # The answer to the next call closes the connection.
        cluster.master_of(0).command("SCRIPT", "FLUSH")
        await unavailable(ledger, *range(200))
        await retried(ledger, range(200))
    finally:
        configured.resume()
    assert value(ledger) == 200
