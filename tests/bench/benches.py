"""The benchmarks, each with its peer or its limit."""

import os
from functools import partial
from typing import Final

from tests.bench.load import over_redis, posting, replicas, waiting
from tests.bench.memory import per_id, start
from tests.bench.peers import decoding, fdatasync, parsing, pushgateway, statsd, uvicorn
from tests.bench.rules import evaluation
from tests.bench.scrape import durations, page, waits
from tests.bench.turns import Bench, Peer

# On fewer cores, replicas, Cluster and senders would compete for the cores.
_REPLICAS: Final = "≥ × 1.5" if (os.cpu_count() or 1) >= 4 else None

BENCHES: Final = (
    Bench(
        "singles",
        "single durable events/s, 64 connections",
        partial(posting, script="single.lua", connections=64),
        (Peer("uvicorn", uvicorn, "≥ × 0.50"), Peer("Pushgateway", pushgateway, "≥ × 6")),
    ),
    Bench(
        "one",
        "single durable events/s, one connection",
        partial(posting, script="single.lua", connections=1),
        (Peer("fdatasync", fdatasync, "≥ × 0.6"),),
    ),
    Bench(
        "batches",
        "events/s in batches of 1,000 new ids",
        partial(posting, script="batch.lua", connections=8),
        (Peer("msgspec", decoding, "≥ × 0.30"), Peer("statsd_exporter", statsd)),
    ),
    Bench(
        "otlp",
        "OTLP records/s in batches of 1,000",
        partial(posting, script="otlp.lua", connections=4),
        (Peer("opentelemetry-proto", parsing),),
        "≥ 100,000",
    ),
    Bench(
        "p99",
        "p99 ms of an event beside batches",
        partial(waiting, script="batch.lua", connections=8),
        goal="≤ 15",
    ),
    Bench(
        "p99-otlp",
        "p99 ms of an event beside OTLP",
        partial(waiting, script="otlp.lua", connections=4),
        goal="≤ 50",
    ),
    Bench("memory", "bytes of memory per id", per_id, goal="≤ 40"),
    Bench("start", "s from start to ready, no ids", partial(start, ids=0), goal="≤ 0.4"),
    Bench(
        "start-ids",
        "s from start to ready, 1,000,000 ids",
        partial(start, ids=1_000_000),
        goal="≤ 0.6",
    ),
    Bench(
        "scrape", "ms for /metrics, 10,000 series", partial(durations, number=10_000), goal="≤ 15"
    ),
    Bench(
        "scrape-wait",
        "ms longest wait of an event for a scrape",
        partial(waits, number=10_000, scraping=True),
        (Peer("no scrape", partial(waits, number=10_000, scraping=False), "≤ 10 more"),),
    ),
    Bench("page", "ms for the page of all codes", page, goal="≤ 5"),
    Bench(
        "rules-1",
        "ms to evaluate all rules, 1 label value",
        partial(evaluation, values=1),
        goal="≤ 60",
    ),
    Bench(
        "rules-10",
        "ms to evaluate all rules, 10 label values",
        partial(evaluation, values=10),
        goal="≤ 60",
    ),
    Bench(
        "rules-50",
        "ms to evaluate all rules, 50 label values",
        partial(evaluation, values=50),
        goal="≤ 100",
    ),
    Bench(
        "redis",
        "single events/s in Redis, 64 connections",
        partial(over_redis, script="single.lua", connections=64),
        (Peer("in a file", partial(posting, script="single.lua", connections=64), "≥ × 0.5"),),
    ),
    Bench(
        "redis-batches",
        "events/s in Redis, batches of 1,000 new ids",
        partial(over_redis, script="batch.lua", connections=8),
        goal="≥ 150,000",
    ),
    Bench(
        "replicas",
        "events/s of two replicas, Redis Cluster",
        partial(replicas, number=2),
        (Peer("one", partial(replicas, number=1), _REPLICAS),),
    ),
)
