"""The shared ledger: events a second over a Redis on this machine, and two replicas over a Cluster."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from tests.bench.table import Row, spread
from tests.bench.wrk import command, read, wrk
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
    """Batches to one replica, then to two, over the same Cluster; all on this machine's cores.

    Two are to be half as fast again, or to have no core left: replicas, Cluster and senders share them.
    """
    with (
        RedisCluster(Path(mkdtemp(dir=folder))) as cluster,
        Replicas(folder, cluster.url, 2) as two,
    ):
        ports = [one.ports["ingest"] for one in two.exporters]
        one, both, busy = [], [], []
        for _ in range(runs):
            one.append(_posted(ports[:1], seconds))
            before = _cores()
            both.append(_posted(ports, seconds))
            busy.append(_busy(before, _cores()))
        assert len(set(two.counts())) == 1 or two.agree()
    ratio = median(more / less for more, less in zip(both, one, strict=True))
    full = median(busy)
    return Row(
        "events/s of two replicas, 3 + 3 Cluster",
        spread(both),
        f"one {spread(one)}: × {ratio:.2f}, all cores {full:.0%} busy",
        "≥ × 1.5, or ≥ 90 % busy",
        ratio >= 1.5 or full >= 0.9,
    )


def _singles(exporter: ExporterProcess, alone: ExporterProcess, runs: int, seconds: float) -> Row:
    ours, theirs = [], []
    for _ in range(runs):
        run = wrk("single.lua", exporter.ports["ingest"], 64, seconds)
        assert run.failed == 0
        ours.append(run.rate)
        theirs.append(wrk("single.lua", alone.ports["ingest"], 64, seconds).rate)
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
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
    """All cores' time since the machine's start, and what of it nothing ran, in ticks: the columns of
    proc(5)'s stat, of which the fourth is idle and the fifth waits for disks."""
    ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _busy(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The part of the cores' time between two readings in which something ran."""
    return 1 - (after[1] - before[1]) / (after[0] - before[0])


def _posted(ports: list[int], seconds: float) -> float:
    """Events a second that were acknowledged."""
    began = time.monotonic()
    runs = [
        subprocess.Popen(command("batch.lua", port, 8, seconds), stdout=subprocess.PIPE, text=True)
        for port in ports
    ]
    printed = [run.communicate()[0] for run in runs]
    took = time.monotonic() - began
    found = [read(text) for text in printed]
    assert not any(one.failed for one in found)
    return sum(one.rate for one in found) * 1000 * min(1.0, seconds / took)
