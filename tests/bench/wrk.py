"""Runs of wrk against a loopback port, and what the exporter counted."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ExporterProcess, wait_for

EVENTS: Final = {"single.lua": 1, "push.lua": 1, "batch.lua": 1000, "otlp.lua": 1000}
"""Events per request of each script."""
_HERE: Final = Path(__file__).parent
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Run:
    """Requests, requests per second, and the 99th percentile of their latency in seconds."""

    requests: int
    rate: float
    p99: float


def accepted(exporter: ExporterProcess) -> float:
    """The events that were counted so far."""
    values = re.findall(rf"^{names.ACCEPTED_EVENTS}\S* (\S+)$", _text(exporter), re.MULTILINE)
    return sum(map(float, values))


def series(exporter: ExporterProcess) -> int:
    """The number of series of counters."""
    return len(re.findall(r"^session_\w+_total\b", _text(exporter), re.MULTILINE))


def _text(exporter: ExporterProcess) -> str:
    """The text of /metrics: a parser needs seconds for 50,000 series."""
    reply = exporter.request("ops", "GET", "/metrics")
    assert reply.status == 200, reply.body
    return reply.body.decode()


def command(script: str, port: int, connections: int, seconds: int, values: int = 0) -> list[str]:
    """Run a script of this folder on one thread; batch.lua sends that many values of a label."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}", "--latency", f"-s{_HERE / script}"]
    # An answer after two seconds would be an error otherwise.
    return ["wrk", "--timeout=30s", *options, f"http://127.0.0.1:{port}", str(values)]


def wrk(script: str, port: int, connections: int, seconds: int) -> Run:
    """Raises AssertionError when a request failed."""
    return read(subprocess.check_output(command(script, port, connections, seconds), text=True))


@contextmanager
def running(script: str, port: int, connections: int, values: int = 0) -> Iterator[None]:
    """Posts for as long as the block takes, ten minutes at most."""
    # The kernel ends the load when this program is killed.
    run = ["setpriv", "--pdeathsig=TERM", *command(script, port, connections, 600, values)]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL) as process:
        try:
            yield
            assert process.poll() is None, f"{script} ended early"
        finally:
            process.terminate()


def fill(exporter: ExporterProcess, ids: int, script: str = "batch.lua") -> None:
    """Post new ids until at least that many were counted."""

    def counted() -> bool:
        left = ids - accepted(exporter)
        # The more events are missing, the longer the pause: each scrape takes processor time from counting.
        time.sleep(max(0, left) / 4_000_000)
        return left <= 0

    if ids:
        with running(script, exporter.ports["ingest"], 8):
            wait_for(counted, 600, f"{ids:,} ids")


def read(printed: str) -> Run:
    """Raises AssertionError when a request failed: a quick refusal must not count as speed."""
    requests = re.search(r"(\d+) requests in", printed)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", printed)
    assert requests, printed
    assert rate, printed
    assert p99, printed
    assert "Non-2xx" not in printed, printed
    assert "Socket errors" not in printed, printed
    return Run(int(requests[1]), float(rate[1]), float(p99[1]) * _SECONDS[p99[2]])
