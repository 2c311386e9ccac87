"""Events per second, single and in batches, and the latency of a single event while batches run."""

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

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
    ours, limit, ratio = _compared(folder / "batches", "batch.lua", 8, _decoding, runs, seconds)
    return Row(
        "events/s in batches of 1,000 new ids",
        spread(ours),
        f"msgspec alone {spread(limit)}: × {ratio:.2f}",
        "≥ 500,000",
        median(ours) >= 500_000,
    )


def otlp(folder: Path, runs: int, seconds: float) -> list[Row]:
    """OTLP/protobuf from one sender, compared with parsing alone, and a single event beside it."""
    file = folder / "otlp.bin"
    file.write_bytes(_otlp_body())
    os.environ["OTLP_BODY"] = str(file)
    ours, limit, ratio = _compared(folder / "otlp", "otlp.lua", 4, _parsing, runs, seconds)
    rate = Row(
        "OTLP records/s in batches of 1,000 from one sender",
        spread(ours),
        f"opentelemetry-proto alone {spread(limit)}: × {ratio:.3f}",
        "≥ 100,000",
        median(ours) >= 100_000,
    )
    return [rate, waiting(folder, 2 * seconds, "otlp.lua", 4, "OTLP batches")]


def _compared(
    folder: Path,
    script: str,
    connections: int,
    alone: Callable[[], float],
    runs: int,
    seconds: float,
) -> tuple[list[float], list[float], float]:
    """Events per second of a script in each run, those of `alone`, and the median ratio."""
    with ExporterProcess(folder) as exporter:
        ours, limit = [], []
        for _ in range(runs):
            before = exporter.total("session_ends_total")
            began = time.monotonic()
            run = wrk(script, exporter.ports["ingest"], connections, seconds)
            assert run.failed == 0
            counted = exporter.total("session_ends_total") - before
            ours.append(counted / (time.monotonic() - began))
            limit.append(alone())
    return ours, limit, median(rate / other for rate, other in zip(ours, limit, strict=True))


def _decoding() -> float:
    event = {"system": "streampixel", "code": 4001, "occurred_at": "2026-11-20T19:00:00Z"}
    events = [{"id": f"{time.time_ns()}-{number}", **event} for number in range(1000)]
    body = msgspec.json.encode(events)
    return _rate(partial(msgspec.json.Decoder(list[Event]).decode, body))


def _otlp_body() -> bytes:
    """A request of 1,000 records as an SDK writes them."""
    message = ExportLogsServiceRequest()
    logs = message.resource_logs.add()
    logs.resource.attributes.add(key="service.name").value.string_value = "streampixel"
    records = logs.scope_logs.add().log_records
    for number in range(1000):
        now = time.time_ns()
        record = records.add(
            time_unix_nano=now, observed_time_unix_nano=now, event_name="session.end"
        )
        uid = f"MARKMARKMARKMARKMARKMARK-{number}"
        for key, text in (("session.id", f"s-{number}"), ("log.record.uid", uid)):
            record.attributes.add(key=key).value.string_value = text
        record.attributes.add(key="code").value.int_value = (4001, 1000, 1006, 4006)[number % 4]
    body: bytes = message.SerializeToString()
    return body


def _parsing() -> float:
    return _rate(partial(ExportLogsServiceRequest.FromString, _otlp_body()))


def _rate(decode: Callable[[], object]) -> float:
    """Events per second of a function that decodes 1,000."""
    began = time.perf_counter()
    rounds = 0
    while time.perf_counter() - began < 0.5:
        decode()
        rounds += 1
    return rounds * 1000 / (time.perf_counter() - began)


def waiting(
    folder: Path,
    seconds: float,
    script: str = "batch.lua",
    connections: int = 8,
    what: str = "batches",
) -> Row:
    """A single event's p99 while batches run at full speed and /metrics is scraped each second."""
    with ExporterProcess(folder / f"waiting-{script}") as exporter:
        port = exporter.ports["ingest"]
        flood = command(script, port, connections, seconds + 4)
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
        f"p99 of a single event while {what} run",
        f"{run.p99 * 1000:.0f} ms",
        f"{scrapes} scrapes, {run.rate:.0f} single events/s",
        "≤ 50 ms",
        run.p99 <= 0.05,
    )
