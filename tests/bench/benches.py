"""The benchmarks, each with its peer or its limit."""

import os
from functools import partial
from typing import Final

from tests.bench.costs import durations, page, per_id, start, waits
from tests.bench.load import over_redis, posting, replicas, waiting
from tests.bench.peers import decoding, fdatasync, parsing, pushgateway, statsd, uvicorn
from tests.bench.rules import evaluation
from tests.bench.turns import Bench, Peer

# On fewer cores, replicas, Cluster and senders would compete for the cores.
_REPLICAS: Final = "≥ × 1.5" if (os.cpu_count() or 1) >= 4 else None

BENCHES: Final = (
    Bench(
        "singles",
        "single durable events/s, 64 connections",
        partial(posting, "single.lua", 64),
        (Peer("uvicorn", uvicorn, "≥ × 0.50"), Peer("Pushgateway", pushgateway, "≥ × 6")),
    ),
    Bench(
        "one",
        "single durable events/s, one connection",
        partial(posting, "single.lua", 1),
        (Peer("fdatasync", fdatasync, "≥ × 0.6"),),
    ),
    Bench(
        "batches",
        "events/s in batches of 1,000 new ids",
        partial(posting, "batch.lua", 8),
        (Peer("msgspec", decoding, "≥ × 0.30"), Peer("statsd_exporter", statsd)),
    ),
    Bench(
        "otlp",
        "OTLP records/s in batches of 1,000",
        partial(posting, "otlp.lua", 4),
        (Peer("opentelemetry-proto", parsing),),
        "≥ 100,000",
    ),
    Bench(
        "p99", "p99 ms of an event beside batches", partial(waiting, "batch.lua", 8), goal="≤ 15"
    ),
    Bench(
        "p99-otlp", "p99 ms of an event beside OTLP", partial(waiting, "otlp.lua", 4), goal="≤ 50"
    ),
    Bench("memory", "bytes of memory per id", per_id, goal="≤ 40"),
    Bench("start", "s from start to ready, no ids", partial(start, 0), goal="≤ 0.4"),
    Bench(
        "start-ids", "s from start to ready, 1,000,000 ids", partial(start, 1_000_000), goal="≤ 0.6"
    ),
    Bench("scrape", "ms for /metrics, 10,000 series", partial(durations, 10_000), goal="≤ 15"),
    Bench(
        "scrape-wait",
        "ms longest wait of an event for a scrape",
        partial(waits, 10_000, True),
        (Peer("no scrape", partial(waits, 10_000, False), "≤ 10 more"),),
    ),
    Bench("page", "ms for the page of all codes", page, goal="≤ 5"),
    *(
        Bench(
            f"rules-{values}",
            f"ms to evaluate all rules, {values} label values",
            partial(evaluation, values),
            goal=goal,
        )
        for values, goal in ((1, "≤ 60"), (10, "≤ 60"), (50, "≤ 100"))
    ),
    Bench(
        "redis",
        "single events/s in Redis, 64 connections",
        partial(over_redis, "single.lua", 64),
        (Peer("in a file", partial(posting, "single.lua", 64), "≥ × 0.5"),),
    ),
    Bench(
        "redis-batches",
        "events/s in Redis, batches of 1,000 new ids",
        partial(over_redis, "batch.lua", 8),
        goal="≥ 150,000",
    ),
    Bench(
        "replicas",
        "events/s of two replicas, Redis Cluster",
        partial(replicas, 2),
        (Peer("one", partial(replicas, 1), _REPLICAS),),
    ),
)
