"""The benchmarks, each with its peer or its limit."""

import os
from typing import Final

from tests.bench.load import posting, waiting
from tests.bench.memory import per_id, start
from tests.bench.peers import decoding, fdatasync, parsing, pushgateway, statsd, uvicorn
from tests.bench.rules import evaluation
from tests.bench.scrape import durations, page, waits
from tests.bench.shared import over_redis, replicas
from tests.bench.turns import Bench, Peer

# On fewer cores, replicas, Cluster and senders would compete for the cores.
_REPLICAS: Final = "≥ × 1.5" if (os.cpu_count() or 1) >= 4 else None

BENCHES: Final = (
    Bench(
        "singles",
        "single durable events/s, 64 connections",
        posting("single.lua", 64),
        (Peer("uvicorn", uvicorn, "≥ × 0.50"), Peer("Pushgateway", pushgateway, "≥ × 6")),
    ),
    Bench(
        "one",
        "single durable events/s, one connection",
        posting("single.lua", 1),
        (Peer("fdatasync", fdatasync, "≥ × 0.6"),),
    ),
    Bench(
        "batches",
        "events/s in batches of 1,000 new ids",
        posting("batch.lua", 8),
        (Peer("msgspec", decoding, "≥ × 0.30"), Peer("statsd_exporter", statsd)),
    ),
    Bench(
        "otlp",
        "OTLP records/s in batches of 1,000",
        posting("otlp.lua", 4),
        (Peer("opentelemetry-proto", parsing),),
        "≥ 100,000",
    ),
    Bench("p99", "p99 ms of an event beside batches", waiting("batch.lua", 8), goal="≤ 15"),
    Bench("p99-otlp", "p99 ms of an event beside OTLP", waiting("otlp.lua", 4), goal="≤ 50"),
    Bench("memory", "bytes of memory per id", per_id, goal="≤ 40"),
    Bench("start", "s from start to ready, no ids", start(0), goal="≤ 0.4"),
    Bench("start-ids", "s from start to ready, 1,000,000 ids", start(1_000_000), goal="≤ 0.6"),
    Bench("scrape", "ms for /metrics, 10,000 series", durations(10_000), goal="≤ 15"),
    Bench(
        "scrape-wait",
        "ms longest wait of an event for a scrape",
        waits(10_000, scraping=True),
        (Peer("no scrape", waits(10_000, scraping=False), "≤ 10 more"),),
    ),
    Bench("page", "ms for the page of all codes", page, goal="≤ 5"),
    Bench("rules-1", "ms to evaluate all rules, 1 label value", evaluation(1), goal="≤ 60"),
    Bench("rules-10", "ms to evaluate all rules, 10 label values", evaluation(10), goal="≤ 60"),
    Bench("rules-50", "ms to evaluate all rules, 50 label values", evaluation(50), goal="≤ 100"),
    Bench(
        "redis",
        "single events/s in Redis, 64 connections",
        over_redis("single.lua", 64),
        (Peer("in a file", posting("single.lua", 64), "≥ × 0.5"),),
    ),
    Bench(
        "redis-batches",
        "events/s in Redis, batches of 1,000 new ids",
        over_redis("batch.lua", 8),
        goal="≥ 150,000",
    ),
    Bench(
        "replicas",
        "events/s of two replicas, Redis Cluster",
        replicas(2),
        (Peer("one", replicas(1), _REPLICAS),),
    ),
)
