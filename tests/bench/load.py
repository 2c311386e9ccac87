"""Events per second that exporters acknowledge, and the latency of a single event while batches arrive."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.bench.setup import Setup
from tests.bench.turns import Measure, Sample
from tests.bench.wrk import EVENTS, Run, accepted, command, fill, read, running
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.usage import processor_seconds
from tests.ledger.redis_server import RedisCluster, RedisServer

_STALL = 30
"""Seconds that Redis may stall on a busy machine. With the default, the exporter would answer 503 after a
second, which is an error of the benchmark."""


@contextmanager
def posting(script: str, connections: int, setup: Setup) -> Iterator[Measure]:
    """Events per second with one of this folder's wrk scripts."""
    with setup.exporter() as exporter:
        fill(exporter, 1, script)
        yield partial(posted, [exporter], script, connections, setup.seconds)


@contextmanager
def over_redis(script: str, connections: int, setup: Setup) -> Iterator[Measure]:
    """The same over a Redis on this machine, with `appendfsync everysec` as Redis comes."""
    with (
        RedisServer(setup.new_folder() / "redis") as server,
        setup.exporter({"ledger": server.url, "ledger_timeout": _STALL}) as exporter,
    ):
        fill(exporter, 1, script)
        yield partial(posted, [exporter], script, connections, setup.seconds, [server.pid])


@contextmanager
def replicas(number: int, setup: Setup) -> Iterator[Measure]:
    """Events per second of batches to `number` exporters over a Cluster of 3 masters and 3 replicas."""
    with RedisCluster(setup.new_folder(), timeout=_STALL) as cluster, ExitStack() as stack:
        settings = {"ledger": cluster.url, "ledger_timeout": _STALL}
        exporters = [stack.enter_context(setup.exporter(settings)) for _ in range(number)]
        stores = [node.pid for node in cluster.nodes]
        # On a busy machine, the first answer of eight programs took longer than a second.
        yield partial(posted, exporters, "batch.lua", 8, 2 * setup.seconds, stores)


def posted(
    exporters: Sequence[ExporterProcess],
    script: str,
    connections: int,
    seconds: int,
    stores: Sequence[int] = (),
    values: int = 0,
) -> Sample:
    """Acknowledged events per second of all exporters together, and the cost of an event.

    `stores` are the processes of a shared ledger. Raises AssertionError when an acknowledged event was not
    counted.
    """
    pids = [exporter.pid for exporter in exporters]
    counted, cpu, stored = sum(map(accepted, exporters)), _spent(pids), _spent(stores)
    runs = [
        subprocess.Popen(
            command(script, exporter.ports["ingest"], connections, seconds, values),
            stdout=subprocess.PIPE,
            text=True,
        )
        for exporter in exporters
    ]
    results = [read(run.communicate()[0]) for run in runs]
    cpu, stored = _spent(pids) - cpu, _spent(stores) - stored
    counted = sum(map(accepted, exporters)) - counted
    acknowledged = sum(result.requests for result in results) * EVENTS[script]
    assert counted, "no event was counted"
    assert counted >= acknowledged, f"{acknowledged} acknowledged, {counted:.0f} counted"
    note = f"Redis {1e6 * stored / counted:.1f} µs, {stored / (stored + cpu):.0%} of both"
    rate = sum(result.rate for result in results) * EVENTS[script]
    return Sample(rate, 1e6 * cpu / counted, note if stores else "", results[0].p99)


def _spent(pids: Sequence[int]) -> float:
    return sum(map(processor_seconds, pids))


@contextmanager
def waiting(script: str, connections: int, setup: Setup) -> Iterator[Measure]:
    """p99 of a single event, ms, while batches arrive at full speed and /metrics is scraped each second."""
    with setup.exporter() as exporter:

        def turn() -> Sample:
            with running(script, exporter.ports["ingest"], connections):
                before = accepted(exporter)
                wait_for(lambda: accepted(exporter) > before, what="the first batch")
                run = _beside(exporter, setup.seconds)
            return Sample(run.p99 * 1000, note=f"{run.rate:.0f} single events/s")

        yield turn


def _beside(exporter: ExporterProcess, seconds: int) -> Run:
    single = command("single.lua", exporter.ports["ingest"], 1, seconds)
    with subprocess.Popen(single, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            exporter.request("ops", "GET", "/metrics")
            time.sleep(1)
        return read(process.communicate()[0])
