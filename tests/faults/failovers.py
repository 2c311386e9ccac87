"""Row 23 of the fault table: masters of a Cluster are killed under load, and replicas take over.

Replication is asynchronous: writes that a replica has not received are lost, ids and counts together.
Measured: how many events are lost, that no total goes down, and that no surviving id counts twice.
"""

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.replicas import Replicas
from tests.faults.table import Row, reached
from tests.ledger.redis_server import RedisCluster, RedisServer

_ID_BYTES = 16


@dataclass(frozen=True)
class Outcome:
    """`claims` are the ids and `written` the counts that the masters hold at the end, `shown` the total of
    every exporter, `lost` the lost events that they report, `fell` how often a total went down, `slowest`
    the longest time from a kill to an acknowledged event, seconds."""

    failovers: int
    events: int
    claims: int
    written: int
    shown: int
    lost: int
    fell: int
    retries: int
    slowest: float


class _Watch(threading.Thread):
    """Reads the totals of an exporter repeatedly, and counts totals that went down."""

    def __init__(self, exporter: ExporterProcess) -> None:
        super().__init__(daemon=True)
        self._exporter = exporter
        self._over = threading.Event()
        self.looks = self.fell = 0

    def run(self) -> None:
        last: dict[object, float] = {}
        while not self._over.wait(0.05):
            shown = {
                key: value
                for key, value in self._exporter.metrics().items()
                if key[0] == "session_ends_total"
            }
            self.fell += sum(value < last.get(key, 0) for key, value in shown.items())
            self.looks += 1
            last = shown

    def end(self) -> None:
        self._over.set()
        self.join(30)


def fail_over(
    folder: Path, failovers: int, *, wait: str | None = None, replicas: int = 2, seed: int = 1
) -> Outcome:
    """Kill a master `failovers` times while senders post and retry; the killed node comes back as a
    replica each time."""
    rng = random.Random(seed)
    settings = {} if wait is None else {"ledger_wait": wait}
    slowest = 0.0
    with (
        RedisCluster(folder / "cluster") as cluster,
        Replicas(folder, cluster.url, replicas, ledger_timeout=1, **settings) as exporters,
    ):
        load = exporters.load()
        watches = [_Watch(exporter) for exporter in exporters.exporters]
        for thread in (load, *watches):
            thread.start()
        for _ in range(failovers):
            before = load.acknowledged
            wait_for(lambda at=before: load.acknowledged > at + 100, what="acknowledged events")
            time.sleep(rng.uniform(0.0, 0.15))  # when in its work the process is hit is random
            master = rng.choice(cluster.masters())
            master.kill()
            began = time.monotonic()
            wait_for(lambda dead=master: _failed_over(cluster, dead), what="a new master")
            at = load.acknowledged
            wait_for(lambda at=at: load.acknowledged > at, what="recovery by itself")
            slowest = max(slowest, time.monotonic() - began)
            master.start()
            wait_for(cluster.settled, 60, "a Cluster with all its replicas")
        load.finish()
        for watch in watches:
            watch.end()
        shown = exporters.agree()
        lost = int(exporters.exporters[0].total("session_exporter_ledger_lost_events_total"))
        claims, written = _stored(cluster)
    assert all(watch.looks > failovers for watch in watches)
    fell = sum(watch.fell for watch in watches)
    return Outcome(failovers, load.sent, claims, written, shown, lost, fell, load.retries, slowest)


def _failed_over(cluster: RedisCluster, dead: RedisServer) -> bool:
    masters = cluster.masters()
    return len(masters) == 3 and dead not in masters


def _stored(cluster: RedisCluster) -> tuple[int, int]:
    """The ids that the masters hold, and the sum of their counts."""
    claims = written = 0
    for node in cluster.masters():
        for name in node.command("KEYS", "*"):
            rest = name.partition(b"}:")[2]
            claims += len(rest) == _ID_BYTES
            if rest == b"series":
                records = node.command("HVALS", name)
                written += sum(int(record.split()[0]) for record in records)
    return claims, written


def _run(folder: Path, quick: bool) -> str:
    outcome = fail_over(folder, 2 if quick else 100)
    lost = outcome.events - outcome.written
    figure = (
        f"{outcome.failovers} failovers, {outcome.events:,} events: {lost:,} lost "
        f"({outcome.lost:,} noticed), {outcome.fell} totals went down, "
        f"{outcome.written - outcome.claims} counted twice; back in {outcome.slowest:.1f} s"
    )
    return reached(
        figure, outcome.fell == 0 and outcome.written == outcome.claims <= outcome.events
    )


ROW: Final = Row(23, "Redis failover, 3 + 3", "100: loss measured, no total goes down", _run)
