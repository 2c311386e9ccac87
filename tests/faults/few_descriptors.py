"""Row 29 of the fault table: no descriptor is left, at the start, under a flood and at run time."""

import contextlib
import http.client
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Row, reached
from tests.faults.usage import descriptors, processor_seconds

TOO_FEW = 64
FEW = 192
"""Descriptors: some senders may connect, and fewer than the flood wants."""
IDLE_SHARE = 0.15
"""Processor seconds a second that a listener without descriptors may take, while connections wait."""

AT_FIRST_REQUEST = """
from exporter import serve
serve._PAGES = 3600
"""
"""Run before the program: the first scrape imports the pages, not a timer a second after the start."""


@dataclass(frozen=True)
class Flooded:
    """With `connections` of senders open that do nothing: `scrapes` that were answered 200, connections
    that were `refused`, and whether a sender is served once the flood has ended."""

    connections: int
    scrapes: int
    refused: int
    recovered: bool


@dataclass(frozen=True)
class Exhausted:
    """`during`: status of a scrape on an open connection while no descriptor was free. `processor`: seconds
    per second meanwhile. `after`: statuses of a scrape and an event when descriptors were free again."""

    during: int
    processor: float
    after: tuple[int, int]


def few(folder: Path, limit: int, mutant: str = "") -> ExporterProcess:
    """An exporter whose soft and hard limit of open files is `limit`."""
    return ExporterProcess(folder / "data", wrapper=("prlimit", f"--nofile={limit}"), mutant=mutant)


def flood(exporter: ExporterProcess, connections: int, scrapes: int) -> Flooded:
    """Open `connections` to the ingest listener, then scrape on a new connection each time."""
    with contextlib.ExitStack() as opened:
        for _ in range(connections):
            opened.enter_context(_connect(exporter.ports["ingest"]))
        answered = sum(_scrape(exporter) == 200 for _ in range(scrapes))
        refused = 0
        if answered:
            refused = int(
                exporter.total(
                    "session_exporter_refused_requests_total", reason="too_many_connections"
                )
            )
    with contextlib.suppress(AssertionError):
        wait_for(lambda: _post(exporter) == 200, 10)
    return Flooded(connections, answered, refused, _post(exporter) == 200)


def exhaust(exporter: ExporterProcess, seconds: float, patience: float = 15) -> Exhausted:
    """Take every free descriptor for `seconds` from a process that runs with `AT_FIRST_REQUEST`."""
    scraping = http.client.HTTPConnection("127.0.0.1", exporter.ports["ops"], timeout=30)
    scraping.connect()
    # The connection is accepted once it is answered; health needs no import.
    scraping.request("GET", "/-/healthy")
    assert scraping.getresponse().read() == b"ok"
    idle = descriptors(exporter)
    # The first line logged imports what writes it.
    assert exporter.request("ingest", "GET", "/").status == 404
    wait_for(lambda: descriptors(exporter) <= idle, what="a connection closed")
    _, hard = resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (_first_free(exporter), hard))
    try:
        scraping.request("GET", "/metrics")
        during = scraping.getresponse().status
        with _connect(exporter.ports["ops"]), _connect(exporter.ports["ingest"]):
            before, began = processor_seconds(exporter), time.monotonic()
            time.sleep(seconds)
            processor = (processor_seconds(exporter) - before) / (time.monotonic() - began)
    finally:
        resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (hard, hard))
        scraping.close()
    with contextlib.suppress(AssertionError):
        wait_for(lambda: _scrape(exporter) == 200, patience)
    return Exhausted(during, processor, (_scrape(exporter), _post(exporter)))


def _first_free(exporter: ExporterProcess) -> int:
    """The lowest number that no descriptor has: with this limit none can be opened."""
    taken = {int(name) for name in os.listdir(f"/proc/{exporter.pid}/fd")}
    return next(number for number in range(len(taken) + 1) if number not in taken)


@contextlib.contextmanager
def _connect(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        yield client


def _scrape(exporter: ExporterProcess) -> int:
    return _status(exporter.ports["ops"], "GET", "/metrics")


def _post(exporter: ExporterProcess) -> int:
    event = json.dumps({"system": "softdrive", "code": "01"})
    return _status(exporter.ports["ingest"], "POST", "/v1/session-ends", event)


def _status(port: int, method: str, path: str, body: str | None = None) -> int:
    """Of an answer on a new connection; 0 when none came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def refused_start(folder: Path) -> str:
    """What an exporter with `TOO_FEW` descriptors says before it exits with 1."""
    exporter = few(folder, TOO_FEW)
    exporter.launch()
    assert exporter.wait() == 1
    return exporter.log


def run(folder: Path, quick: bool) -> str:
    for name in ("start", "flood", "run"):
        (folder / name).mkdir()
    clear = f"open files are limited to {TOO_FEW}" in refused_start(folder / "start")
    scrapes, seconds = (20, 2.0) if quick else (200, 20.0)
    with few(folder / "flood", FEW) as exporter:
        flooded = flood(exporter, 2 * FEW, scrapes)
    with ExporterProcess(folder / "run" / "data", mutant=AT_FIRST_REQUEST) as exporter:
        exhausted = exhaust(exporter, seconds)
    figure = (
        f"{TOO_FEW} at the start: {'exits with 1, clear message' if clear else 'no clear message'}; "
        f"{flooded.connections} connections with {FEW}: {flooded.scrapes} of {scrapes} scrapes, "
        f"{flooded.refused} refused, then {'recovered' if flooded.recovered else 'NOT recovered'}; none left "
        f"for {seconds:g} s: {exhausted.during}, {exhausted.processor:.0%} processor, then {exhausted.after}"
    )
    return reached(
        figure,
        clear
        and flooded.scrapes == scrapes
        and flooded.refused > 0
        and flooded.recovered
        and exhausted.processor < IDLE_SHARE
        and exhausted.after == (200, 200),
    )


ROW = Row(29, "no descriptor left", "ops listener answers; all recovers", run)
