"""The shared ledger: events a second over a Redis on this machine, and two replicas over a Cluster."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from tests.bench.table import Row, spread
from tests.bench.wrk import command, compared, read
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.replicas import Replicas
from tests.ledger.redis_server import RedisCluster, RedisServer


def shared(folder: Path, runs: int, seconds: float) -> Iterator[Row]:
    """One replica over one Redis, with `appendfsync everysec` as Redis comes."""
    with (
        RedisServer(folder / "redis") as server,
        ExporterProcess(folder / "shared", settings={"ledger": server.url}) as exporter,
        ExporterProcess(folder / "alone") as alone,
    ):
        yield _singles(exporter, alone, runs, seconds)
        yield _batches(exporter, runs, seconds)


def replicas(folder: Path, runs: int, seconds: float) -> Row:
    """Batches to one replica, then to two, over the same Cluster.

    Goal: 1.5 times the rate, or no idle core, since replicas, Cluster and senders share this machine's cores.
    """
    with (
        RedisCluster(Path(mkdtemp(dir=folder))) as cluster,
        Replicas(folder, cluster.url, 2) as two,
    ):
        ports = [replica.ports["ingest"] for replica in two.exporters]
        single, both, busy = [], [], []
        for _ in range(runs):
            single.append(_posted(ports[:1], seconds))
            before = _cores()
            both.append(_posted(ports, seconds))
            busy.append(_busy(before, _cores()))
        assert len(set(two.counts())) == 1 or two.agree()
    ratio = median(more / less for more, less in zip(both, single, strict=True))
    full = median(busy)
    return Row(
        "events/s of two replicas, 3 + 3 Cluster",
        spread(both),
        f"one {spread(single)}: × {ratio:.2f}, all cores {full:.0%} busy",
        "≥ × 1.5, or ≥ 90 % busy",
        ratio >= 1.5 or full >= 0.9,
    )


def _singles(exporter: ExporterProcess, alone: ExporterProcess, runs: int, seconds: float) -> Row:
    ports = exporter.ports["ingest"], alone.ports["ingest"]
    ours, theirs, ratio = compared(*ports, "single.lua", runs, seconds)
    return Row(
        "single events/s in Redis, 64 connections",
        spread(ours),
        f"a file {spread(theirs)}: × {ratio:.2f}",
        "≥ × 0.5",
        ratio >= 0.5,
    )


def _batches(exporter: ExporterProcess, runs: int, seconds: float) -> Row:
    rates = [_posted([exporter.ports["ingest"]], seconds) for _ in range(runs)]
    return Row(
        "events/s in Redis, batches of 1,000 new ids",
        spread(rates),
        "",
        "≥ 150,000",
        median(rates) >= 150_000,
    )


def _cores() -> tuple[int, int]:
    """The time of all cores since boot and their idle time, in ticks (proc(5): idle and iowait)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _busy(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The share of the cores' time between two readings that was not idle."""
    return 1 - (after[1] - before[1]) / (after[0] - before[0])


def _posted(ports: list[int], seconds: float) -> float:
    """Acknowledged events per second."""
    began = time.monotonic()
    runs = [
        subprocess.Popen(command("batch.lua", port, 8, seconds), stdout=subprocess.PIPE, text=True)
        for port in ports
    ]
    printed = [run.communicate()[0] for run in runs]
    took = time.monotonic() - began
    results = [read(text) for text in printed]
    assert not any(result.failed for result in results)
    return sum(result.rate for result in results) * 1000 * min(1.0, seconds / took)
