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
        port = exporter.ports["ingest"]
        ours, theirs, ratio = compared(port, alone.ports["ingest"], "single.lua", runs, seconds)
        yield Row(
            "single events/s in Redis, 64 connections",
            spread(ours),
            f"a file {spread(theirs)}: × {ratio:.2f}",
            "≥ × 0.5",
            ratio >= 0.5,
        )
        rates = [_posted([port], seconds) for _ in range(runs)]
        goal, reached = "≥ 150,000", median(rates) >= 150_000
        yield Row("events/s in Redis, batches of 1,000 new ids", spread(rates), "", goal, reached)


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
            total, idle = _ticks()
            both.append(_posted(ports, seconds))
            total, idle = (
                after - before for after, before in zip(_ticks(), (total, idle), strict=True)
            )
            busy.append(1 - idle / total)
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


def _ticks() -> tuple[int, int]:
    """The time of all cores since boot and their idle time (proc(5): idle and iowait)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _posted(ports: list[int], seconds: float) -> float:
    """Acknowledged events per second."""
    began = time.monotonic()
    runs = [
        subprocess.Popen(command("batch.lua", port, 8, seconds), stdout=subprocess.PIPE, text=True)
        for port in ports
    ]
    results = [read(run.communicate()[0]) for run in runs]
    took = time.monotonic() - began
    assert not any(result.failed for result in results)
    return sum(result.rate for result in results) * 1000 * min(1.0, seconds / took)
