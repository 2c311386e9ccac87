"""The shared ledger on a Cluster: what happens when some of its shards can't be reached or move."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.redis.ledger import RedisLedger
from tests.e2e.exporter_process import wait_for
from tests.ledger.batches import FAILURE, OTHER, batch, key, series
from tests.ledger.redis_home import RedisHome, retried
from tests.ledger.redis_server import RedisCluster, RedisServer
from tests.ledger.shown import value
from tests.ledger.waiting import until

SHARDS = 16


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """Empty, and settled when the test is over."""
    redis_cluster.empty()
    yield redis_cluster
    wait_for(redis_cluster.settled, what="a Cluster that serves all slots")


@pytest.fixture
def home(cluster: RedisCluster) -> RedisHome:
    return RedisHome(cluster.url)


def shard_of(number: int) -> int:
    return int.from_bytes(key(number)[:4]) % SHARDS


def claims(cluster: RedisCluster) -> int:
    """The ids that the masters hold."""
    return sum(
        len(name.partition(b"}:")[2]) == 16
        for node in cluster.masters()
        for name in node.command("KEYS", "*")
    )


async def test_a_cluster_is_not_taken_for_a_server_alone(cluster: RedisCluster) -> None:
    """Fails without the look at cluster_enabled: two thirds of the shards would be refused for ever."""
    with pytest.raises(LedgerError, match=r"a node of a Cluster; its scheme is redis\+cluster://"):
        await RedisHome(cluster.nodes[0].url).open(patience=0.1)


async def test_a_batch_of_which_some_shards_failed_is_503_and_its_retry_is_exact(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Fails when a batch is acknowledged although a part of it is not."""
    ledger = await home.open(timeout=2.0)
    silent = cluster.master_of(shard_of(0))
    silent.pause()
    try:
        with pytest.raises(LedgerUnavailable):
            await ledger.commit(batch(range(100)))
        assert "does not answer" in str(ledger.status().problem)
        assert 0 < value(ledger) < 100
    finally:
        silent.resume()
    await retried(ledger, range(100))
    assert value(ledger) == 100
    assert claims(cluster) == 100
    await ledger.close()


async def test_only_the_batches_that_touch_a_failed_shard_are_refused(
    home: RedisHome, cluster: RedisCluster
) -> None:
    ledger = await home.open(timeout=2.0)
    silent = cluster.master_of(shard_of(0))
    lost = {shard for shard in range(SHARDS) if cluster.master_of(shard) is silent}
    silent.pause()
    try:
        answers = await asyncio.gather(
            *(ledger.commit(batch([number])) for number in range(60)), return_exceptions=True
        )
    finally:
        silent.resume()
    refused = {number for number, one in enumerate(answers) if isinstance(one, Exception)}
    assert refused == {number for number in range(60) if shard_of(number) in lost}
    await retried(ledger, range(60))
    assert value(ledger) == 60
    await ledger.close()


async def test_a_slot_that_moves_under_load_loses_and_doubles_nothing(
    home: RedisHome, cluster: RedisCluster
) -> None:
    ledger, other = await home.open(timeout=2.0), await home.open(timeout=2.0)
    numbers = [number for number in range(4000) if shard_of(number) == 3][:200]
    await ledger.commit(batch(numbers[:100], of=OTHER))
    source = cluster.master_of(3)
    target = next(node for node in cluster.masters() if node is not source)
    slot = redis.crc.key_slot(b"{3}")
    done = 0
    stop = asyncio.Event()

    async def send(through: RedisLedger, first: int) -> None:
        nonlocal done
        while not stop.is_set():
            await retried(through, range(first + done, first + done + 10))
            done += 10

    load = asyncio.create_task(send(ledger, 10_000))
    await until(lambda: done > 50)
    await asyncio.to_thread(move, slot, source, target, cluster)
    moved = done
    await until(lambda: done > moved + 50)
    stop.set()
    await load
    # Sent again through the other replica, which has not heard of the move.
    receipt = await asyncio.wait_for(_again(other, numbers), 60)
    assert (receipt.accepted, receipt.duplicates) == (len(numbers) - 100, 100)
    for of, count in ((FAILURE, done), (OTHER, len(numbers))):
        await until(lambda of=of, count=count: value(ledger, of) == value(other, of) == count)
    assert claims(cluster) == done + len(numbers)
    await asyncio.gather(ledger.close(), other.close())


async def test_a_slot_that_has_moved_is_found_without_a_refusal(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Fails when a call is not sent on to where its shard has gone: it was not run."""
    failures: list[bool] = []
    ledger = await home.open(timeout=2.0, on_failure=lambda: failures.append(True))
    source = cluster.master_of(5)
    target = next(node for node in cluster.masters() if node is not source)
    # On this thread, so that the ledger sees the Cluster before and after, and not between.
    move(redis.crc.key_slot(b"{5}"), source, target, cluster)
    wait_for(lambda: cluster.master_of(5) is target)
    receipt = await ledger.commit(batch(range(200)))
    assert (receipt.accepted, failures) == (200, [])
    await ledger.close()


async def test_a_write_that_a_replica_confirmed_is_acknowledged(
    home: RedisHome, cluster: RedisCluster
) -> None:
    ledger = await home.open(wait=1)
    for _ in range(2):
        await retried(ledger, range(100))
    assert value(ledger) == 100
    found = sum(len(node.command("KEYS", "*:series")) for node in cluster.nodes)
    assert found >= 2 * len(cluster.masters()), "on masters and on their replicas"
    await ledger.close()


async def _again(ledger: RedisLedger, numbers: list[int]):
    while True:
        try:
            return await ledger.commit(batch(numbers, of=OTHER))
        except LedgerUnavailable:
            await asyncio.sleep(0.05)


def move(slot: int, source: RedisServer, target: RedisServer, cluster: RedisCluster) -> None:
    """What `redis-cli --cluster reshard` does with a slot, some keys at a time."""
    ids = {node: node.command("CLUSTER", "MYID").decode() for node in (source, target)}
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    while names := source.command("CLUSTER", "GETKEYSINSLOT", slot, 5):
        source.command(
            *("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *names)
        )
    for node in (target, source, *cluster.masters()):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


async def test_a_failover_is_survived_and_totals_do_not_go_down(
    home: RedisHome, cluster: RedisCluster
) -> None:
    ledger = await home.open(timeout=2.0, zero=[FAILURE])
    await retried(ledger, range(500))
    before = value(ledger)
    failed = cluster.master_of(0)
    failed.kill()
    await retried(ledger, range(400, 1000))
    assert value(ledger) >= before
    # What the replica had not got yet is lost, and nothing else is different.
    await until(lambda: ledger.status().problem is None)
    assert claims(cluster) >= 1000 - 500
    assert value(ledger) >= claims(cluster)
    failed.start()
    await asyncio.to_thread(wait_for, cluster.settled)
    await ledger.close()


async def test_what_a_failover_took_back_is_told_and_stays_shown(
    home: RedisHome, cluster: RedisCluster
) -> None:
    """Fails without high-water marks. The replica is stopped, and what it will not have got is behind more
    than a socket holds."""
    numbers = [number for number in range(4000) if shard_of(number) == 0]
    ledger = await home.open(label_names=("blob",), zero=[series(blob="")])
    shown = series(blob="")
    await ledger.commit(batch(numbers[:20], of=shown))
    master = cluster.master_of(0)
    replica = cluster.replica_of(master)
    # Its keys may still be those of the test before.
    wait_for(lambda: cluster.level(master))
    replica.pause()
    filler = batch(numbers[20:60])
    filler.series = [series(blob=str(number) * 250_000) for number in range(10, 50)]
    await ledger.commit(filler)
    await ledger.commit(batch(numbers[60:100], of=shown))
    assert value(ledger, shown) == 60
    master.kill()
    replica.resume()
    try:
        await retried(ledger, numbers[100:110], shown)
    finally:
        master.start()
    assert value(ledger, shown) >= 60
    await until(lambda: ledger.status().lost_events >= 40)
    # Their ids are gone with them: a late retry is counted, once, and the total has been there before.
    await retried(ledger, numbers[60:100], shown)
    again = await home.open(label_names=("blob",))
    for one in (ledger, again):
        assert value(one, shown) == 70
        assert one.status().lost_events >= 40
    await asyncio.gather(ledger.close(), again.close())


async def test_addresses_that_do_not_answer_take_one_deadline_together_and_are_forgotten(
    home: RedisHome,
) -> None:
    """Fails when they are asked one after the other, or when all that the Cluster ever had are kept."""
    timeout = 1.0
    ledger = await home.open(timeout=timeout)
    routes = ledger._member.engine._routes

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    hosts = [f"127.0.1.{number}" for number in range(1, 9)]
    silent = await asyncio.start_server(listen, hosts, 0)
    there = set(routes._links)
    nodes = [one.getsockname() for one in silent.sockets]
    routes._links = {node: routes._link(*node) for node in nodes} | routes._links
    routes.doubt()
    began = asyncio.get_running_loop().time()
    await retried(ledger, range(40))
    assert asyncio.get_running_loop().time() - began < len(hosts) * timeout
    assert set(routes._links) == there
    silent.close()
    await ledger.close()
