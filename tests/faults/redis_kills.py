"""Row 22 of the fault table: Redis is killed under load, with `appendfsync always`."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import wait_for
from tests.faults.replicas import Replicas
from tests.faults.table import Row, reached
from tests.ledger.redis_server import RedisServer


@dataclass(frozen=True)
class Outcome:
    """`slowest` is the longest time from the start of Redis to an acknowledged event, in seconds."""

    kills: int
    events: int
    counted: int
    retries: int
    slowest: float
    codes: frozenset[int]


def kill_redis(
    folder: Path, kills: int, *, fsync: str = "always", replicas: int = 2, seed: int = 1
) -> Outcome:
    """Kill Redis `kills` times while senders post and retry; count at the end, on every replica."""
    rng = random.Random(seed)
    codes: set[int] = set()
    slowest = 0.0
    with (
        RedisServer(folder / "redis", "--appendfsync", fsync) as server,
        Replicas(folder, server.url, replicas, ledger_timeout=1) as exporters,
    ):
        load = exporters.load()
        load.start()
        for _ in range(kills):
            before = load.acknowledged
            wait_for(lambda at=before: load.acknowledged > at, what="an acknowledged event")
            time.sleep(rng.uniform(0.0, 0.15))  # when in its work the process is hit is random
            server.kill()
            acknowledged = load.acknowledged
            first = exporters.exporters[0]
            wait_for(
                lambda exporter=first: exporter.request("ops", "GET", "/-/ready").status == 503
            )
            codes.add(first.post({"system": "streampixel", "id": f"probe-{before}"}).status)
            server.start()
            began = time.monotonic()
            at = load.acknowledged
            wait_for(lambda at=at: load.acknowledged > at, what="recovery by itself")
            slowest = max(slowest, time.monotonic() - began)
            # A replica shows the events of another one about a second later.
            wait_for(
                lambda at=acknowledged: min(exporters.counts()) >= at,
                what="acknowledged ⊆ counted",
            )
        load.finish()
        counted = exporters.agree()
        lost = first.total("session_exporter_ledger_lost_events_total")
        assert lost == 0, f"{lost} events were lost"
    return Outcome(kills, load.sent, counted, load.retries, slowest, frozenset(codes))


def _run(folder: Path, quick: bool) -> str:
    outcome = kill_redis(folder, 5 if quick else 100)
    figure = (
        f"{outcome.kills} kills, {outcome.events:,} events, {outcome.counted:,} counted, {outcome.retries:,} "
        f"retries; back in {outcome.slowest:.1f} s"
    )
    return reached(figure, outcome.counted == outcome.events and outcome.codes == {503})


ROW: Final = Row(
    22, "Redis killed, AOF always", "100 × 503 and back, nothing lost or doubled", _run
)
