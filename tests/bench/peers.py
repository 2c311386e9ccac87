"""Peers of the exporter: programs of other projects, and the operations that no exporter can avoid."""

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from deploy.demo.program import Program
from exporter.ingest.event import Event
from tests.bench.setup import Setup
from tests.bench.turns import Measure, Sample, Unavailable
from tests.bench.wrk import wrk
from tests.e2e.exporter_process import ROOT, wait_for
from tests.e2e.prometheus_process import free_port
from tests.ingest.otlp.messages import record, request

STATSD: Final = ROOT / "build" / "statsd_exporter"
"""`make bench` builds it where there is Go 1.24 or later."""
_MARK: Final = "MARK" * 6
"""otlp.lua replaces it in each id; the text that replaces it has the same length."""
_PAGE: Final = 4096
_PREALLOCATED: Final = 16 * 1024**2


@contextmanager
def uvicorn(setup: Setup) -> Iterator[Measure]:
    """Requests per second of `constant_app`, with the event loop and the parser of the exporter."""
    port = free_port()
    options = ("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log")
    server = (sys.executable, "-m", "uvicorn", *options, f"--port={port}")
    with _program(setup, [*server, "tests.bench.constant_app:app"], f"http://127.0.0.1:{port}"):
        yield lambda: Sample(wrk("single.lua", port, 64, setup.seconds).rate)


@contextmanager
def pushgateway(setup: Setup) -> Iterator[Measure]:
    """Plain pushes per second, which are not durable."""
    port = free_port()
    command = ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}"]
    with _program(setup, command, f"http://127.0.0.1:{port}/-/ready"):
        yield lambda: Sample(wrk("push.lua", port, 64, setup.seconds).rate)


def _program(setup: Setup, command: list[str], ready: str) -> Program:
    if shutil.which(command[0]) is None:
        raise Unavailable(f"{command[0]} is not installed (`make bench` installs it)")
    return Program(command, setup.new_folder() / "log", ready)


@contextmanager
def fdatasync(setup: Setup) -> Iterator[Measure]:
    """Appends of 4 KiB to a file with allocated blocks, each made durable, per second.

    The blocks are written first: otherwise fdatasync would also write the file system's journal.
    """
    path = setup.new_folder() / "file"
    path.write_bytes(bytes(_PREALLOCATED))
    file = os.open(path, os.O_WRONLY)
    os.fsync(file)
    page = os.urandom(_PAGE)
    appended = 0

    def append() -> None:
        nonlocal appended
        os.pwrite(file, page, appended * _PAGE % _PREALLOCATED)
        os.fdatasync(file)
        appended += 1

    try:
        yield lambda: _rate(append, setup.seconds, 1)
    finally:
        os.close(file)


@contextmanager
def decoding(_setup: Setup) -> Iterator[Measure]:
    """Events per second of msgspec, for bodies as batch.lua writes them."""
    event = {"system": "streampixel", "code": 4001, "occurred_at": "2026-11-20T19:00:00Z"}
    events = [{"id": f"{time.time_ns()}-{number}", **event} for number in range(1000)]
    decode = partial(msgspec.json.Decoder(list[Event]).decode, msgspec.json.encode(events))
    yield lambda: _rate(decode, 0.5, 1000)


def write_otlp_body(folder: Path) -> None:
    """Write the request that otlp.lua sends and `parsing` reads: 1,000 records, as an SDK writes them."""
    now = time.time_ns()
    records = []
    for number in range(1000):
        ids = {"session.id": f"s-{number}", "log.record.uid": f"{_MARK}-{number}"}
        end = {**ids, "code": (4001, 1000, 1006, 4006)[number % 4]}
        records.append(record(end, time=now, body=AnyValue(), observed_time_unix_nano=now))
    file = folder / "otlp.bin"
    file.write_bytes(
        request(*records, resource={"service.name": "streampixel"}).SerializeToString()
    )
    os.environ["OTLP_BODY"] = str(file)


@contextmanager
def parsing(_setup: Setup) -> Iterator[Measure]:
    """OTLP records per second of opentelemetry-proto."""
    parse = partial(ExportLogsServiceRequest.FromString, Path(os.environ["OTLP_BODY"]).read_bytes())
    yield lambda: _rate(parse, 0.5, 1000)


def _rate(work: Callable[[], object], seconds: float, events: int) -> Sample:
    began = time.perf_counter()
    rounds = 0
    while time.perf_counter() - began < seconds:
        work()
        rounds += 1
    return Sample(rounds * events / (time.perf_counter() - began))


@contextmanager
def statsd(setup: Setup) -> Iterator[Measure]:
    """Lines per second of statsd_exporter over TCP: an event is a line, and nothing is acknowledged."""
    if not STATSD.exists():
        raise Unavailable("`make bench` builds it where there is Go 1.24 or later")
    lines, web = free_port(), free_port()
    command = [
        *(str(STATSD), "--statsd.listen-udp=", f"--statsd.listen-tcp=127.0.0.1:{lines}"),
        f"--web.listen-address=127.0.0.1:{web}",
    ]
    codes = (4001, 1000, 1006, 4006)
    thousand = "".join(
        f"session_ends:1|c|#system:streampixel,code:{codes[number % 4]}\n" for number in range(1000)
    ).encode()
    with _program(setup, command, f"http://127.0.0.1:{web}/metrics"):

        def turn() -> Sample:
            before, sent = _statsd_events(web), 0
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", lines)) as connection:
                while time.monotonic() - began < setup.seconds:
                    connection.sendall(thousand)
                    sent += 1000
            wait_for(lambda: _statsd_events(web) >= before + sent, what="statsd_exporter's count")
            return Sample(sent / (time.monotonic() - began))

        yield turn


def _statsd_events(port: int) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(map(float, re.findall(r"^session_ends\{.*\} (\S+)$", text, re.MULTILINE)))
