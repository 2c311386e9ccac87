"""Row 22 of the fault table: Redis is killed under load, with `appendfsync always`."""

import random
import time
from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import wait_for
from tests.faults.replicas import Replicas
from tests.faults.table import Mutant, patched, reached, row
from tests.ledger.redis_server import RedisServer


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
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Kill Redis while senders post and retry; at the end compare the counts of all replicas."""
    kills = 3 if quick else 100
    rng = random.Random(1)
    codes: set[int] = set()
    slowest = 0.0
    with (
        RedisServer(folder / "redis", "--appendfsync", "always") as server,
        Replicas(folder, server.url, 2, mutant, ledger_timeout=1) as replicas,
    ):
        first = replicas.exporters[0]
        load = replicas.load()
        load.start()
        for kill in range(kills):
            load.wait_for_acknowledged(1)
            time.sleep(rng.uniform(0.0, 0.15))  # a random point in the work of Redis
            server.kill()
            wait_for(lambda: first.request("ops", "GET", "/-/ready").status == 503)
            codes.add(first.post({"system": "streampixel", "id": f"probe-{kill}"}).status)
            server.start()
            began = time.monotonic()
            load.wait_for_acknowledged(1)
            slowest = max(slowest, time.monotonic() - began)
        load.finish()
        counted = replicas.agree()
        lost = first.total(names.LEDGER_LOST)
    assert load.retries, "the kills hit nothing"
    figure = (
        f"{kills} kills, {load.sent:,} events, {counted:,} counted, {load.retries:,} retries; "
        f"back in {slowest:.1f} s"
    )
    return reached(figure, (counted, codes, lost) == (load.sent, {503}, 0))
