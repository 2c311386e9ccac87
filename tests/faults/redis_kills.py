"""Rows 22 and 23 of the fault table: Redis is killed under load, alone and as masters of a Cluster."""

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.replicas import agreed, replicas
from tests.faults.senders import Load
from tests.faults.table import Mutant, patched, reached, row
from tests.ledger.redis_server import RedisCluster, RedisServer

# --- row 22: one Redis -------------------------------------------------------------------------------


@row(
    22,
    "Redis killed, AOF always",
    "100 × 503 and back, nothing lost or doubled",
    Mutant(
        "verdict on events without an answer",
        patched("exporter.ledger.redis.group.Group.fail", "lambda *_: None"),
        "counted",
    ),
)
def killed(folder: Path, quick: bool, mutant: str = "") -> str:
    """Kill Redis while senders post and retry; at the end compare the counts of all replicas."""
    kills = 3 if quick else 100
    codes: set[int] = set()
    slowest = 0.0
    with (
        RedisServer(folder / "redis", "--appendfsync", "always") as server,
        replicas(folder, server.url, 2, mutant, ledger_timeout=1) as exporters,
    ):
        first = exporters[0]
        with Load(exporters) as load:
            for kill in range(kills):
                load.wait_for_random_point()
                server.kill()
                wait_for(lambda: not first.ready())
                codes.add(first.post({"system": "streampixel", "id": f"probe-{kill}"}).status)
                server.start()
                began = time.monotonic()
                load.wait_for_acknowledged(1)
                slowest = max(slowest, time.monotonic() - began)
        counted = agreed(exporters)
        lost = first.total(names.LEDGER_LOST)
    assert load.retries, "the kills hit nothing"
    figure = (
        f"{kills} kills, {load.sent:,} events, {counted:,} counted, {load.retries:,} retries; "
        f"back in {slowest:.1f} s"
    )
    return reached(figure, (counted, codes, lost) == (load.sent, {503}, 0))


# --- row 23: masters of a Cluster --------------------------------------------------------------------

# Replication is asynchronous: writes that a replica has not received are lost, ids and counts together. This
# row measures the loss, and asserts that no total goes down and no surviving id counts twice. Replication
# over loopback is too fast to lose many events; tests/ledger/test_redis_totals.py tests a loss.


def _decreases(exporter: ExporterProcess, over: threading.Event, least_reads: int) -> int:
    """Read the totals of an exporter until `over` is set: how many went down from one read to the next."""
    last: dict[object, float] = {}
    reads = decreases = 0
    while not over.wait(0.05):
        totals = exporter.metrics(names.SESSION_ENDS)
        decreases += sum(value < last.get(key, 0) for key, value in totals.items())
        reads += 1
        last = totals
    assert reads > least_reads
    return decreases


@row(23, "Redis failover, 3 + 3", "100: loss measured, no total goes down")
def failed_over(folder: Path, quick: bool) -> str:
    """Kill masters while senders post and retry; a killed node comes back as a replica each time."""
    failovers = 2 if quick else 100
    rng = random.Random(1)
    slowest = 0.0
    with (
        RedisCluster(folder / "cluster") as cluster,
        replicas(folder, cluster.url, 2, ledger_timeout=1) as exporters,
        ThreadPoolExecutor() as threads,
        contextlib.ExitStack() as ended,
    ):
        over = threading.Event()
        ended.callback(over.set)
        watches = [threads.submit(_decreases, exporter, over, failovers) for exporter in exporters]
        with Load(exporters) as load:
            for _ in range(failovers):
                load.wait_for_random_point(100)
                master = rng.choice(cluster.masters())
                replica = cluster.replica_of(master)
                master.kill()
                began = time.monotonic()
                if quick:
                    # At once, instead of after the node timeout, when the Cluster fails over by itself.
                    replica.command("CLUSTER", "FAILOVER", "TAKEOVER")
                wait_for(lambda dead=master: _failed_over(cluster, dead), what="a new master")
                load.wait_for_acknowledged(1)
                slowest = max(slowest, time.monotonic() - began)
                master.start()
                wait_for(cluster.settled, 60, "a Cluster with all its replicas")
        over.set()
        decreases = sum(watch.result() for watch in watches)
        total = agreed(exporters)
        noticed = int(exporters[0].total(names.LEDGER_LOST))
        ids, counted = cluster.ids(), _counted(cluster)
    figure = (
        f"{failovers} failovers, {load.sent:,} events: {load.sent - counted:,} lost ({noticed:,} noticed), "
        f"{decreases} totals went down, {counted - ids} counted twice; back in {slowest:.1f} s"
    )
    return reached(
        figure,
        (decreases, counted) == (0, ids)
        and counted <= min(load.sent, total)
        # A few failovers lose only events whose loss was noticed or that were being retried.
        and (not quick or load.sent - ids <= noticed + load.retries * 20),
    )


def _failed_over(cluster: RedisCluster, dead: RedisServer) -> bool:
    masters = cluster.masters()
    return len(masters) == 3 and dead not in masters


def _counted(cluster: RedisCluster) -> int:
    """The sum of the counts that the masters hold."""
    hashes = (
        (node, name) for node in cluster.masters() for name in node.command("KEYS", "*:series")
    )
    records = (record for node, name in hashes for record in node.command("HVALS", name))
    return sum(int(record.split(b" ")[0]) for record in records)
