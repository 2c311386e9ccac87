"""Events per second, single and in batches, and the latency of a single event while batches run."""

import subprocess
import time
from pathlib import Path
from statistics import median

import msgspec

from exporter.ingest.event import Event
from tests.bench.table import Row, spread
from tests.bench.wrk import command, compared, read, wrk
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port


def singles(folder: Path, runs: int, seconds: float) -> Row:
    """Durable single events, compared with Pushgateway's plain pushes."""
    port = free_port()
    pushgateway = ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}"]
    with (
        subprocess.Popen(pushgateway, stderr=subprocess.DEVNULL) as peer,
        ExporterProcess(folder / "singles") as exporter,
    ):
        try:
            wrk("push.lua", port, 64, 1)
            ingest = exporter.ports["ingest"]
            ours, theirs, ratio = compared(ingest, port, "push.lua", runs, seconds)
        finally:
            peer.terminate()
    return Row(
        "single durable events/s, 64 connections",
        spread(ours),
        f"Pushgateway {spread(theirs)}: × {ratio:.1f}",
        "≥ × 3",
        ratio >= 3,
    )


def batches(folder: Path, runs: int, seconds: float) -> Row:
    """Batches of 1,000 new ids, compared with decoding alone; both use one core of Python."""
    with ExporterProcess(folder / "batches") as exporter:
        ours, limit = [], []
        for _ in range(runs):
            before = exporter.total("session_ends_total")
            began = time.monotonic()
            run = wrk("batch.lua", exporter.ports["ingest"], 8, seconds)
            assert run.failed == 0
            counted = exporter.total("session_ends_total") - before
            ours.append(counted / (time.monotonic() - began))
            limit.append(_decoding())
    ratio = median(rate / other for rate, other in zip(ours, limit, strict=True))
    return Row(
        "events/s in batches of 1,000 new ids",
        spread(ours),
        f"msgspec alone {spread(limit)}: × {ratio:.2f}",
        "≥ 500,000",
        median(ours) >= 500_000,
    )


def _decoding() -> float:
    event = {"system": "streampixel", "code": 4001, "occurred_at": "2026-11-20T19:00:00Z"}
    events = [{"id": f"{time.time_ns()}-{number}", **event} for number in range(1000)]
    body = msgspec.json.encode(events)
    decoder = msgspec.json.Decoder(list[Event])
    began = time.perf_counter()
    rounds = 0
    while time.perf_counter() - began < 0.5:
        decoder.decode(body)
        rounds += 1
    return rounds * 1000 / (time.perf_counter() - began)


def waiting(folder: Path, seconds: float) -> Row:
    """A single event's p99 while batches run at full speed and /metrics is scraped each second."""
    with ExporterProcess(folder / "waiting") as exporter:
        port = exporter.ports["ingest"]
        flood = command("batch.lua", port, 8, seconds + 4)
        single = command("single.lua", port, 1, seconds)
        with subprocess.Popen(flood, stdout=subprocess.DEVNULL):
            wait_for(lambda: exporter.total("session_ends_total") > 100_000)
            with subprocess.Popen(single, stdout=subprocess.PIPE, text=True) as running:
                scrapes = 0
                while running.poll() is None:
                    exporter.metrics()
                    scrapes += 1
                    time.sleep(1)
                run = read(running.communicate()[0])
    return Row(
        "p99 of a single event while batches run",
        f"{run.p99 * 1000:.0f} ms",
        f"{scrapes} scrapes, {run.rate:.0f} single events/s",
        "≤ 50 ms",
        run.p99 <= 0.05,
    )
