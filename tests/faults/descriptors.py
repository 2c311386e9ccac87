"""Row 29 of the fault table: no free file descriptor, at the start or while the exporter runs."""

import contextlib
import http.client
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from exporter.names import REFUSED_REQUESTS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import connect
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import descriptors, processor_seconds

_TOO_FEW: Final = 64
_FEW: Final = 192
"""A limit on descriptors with which some connections of the flood, but not all, are accepted."""
_IDLE_SHARE: Final = 0.15
"""Processor time of a listener without descriptors while connections wait, for each second of a busy loop."""


def _scrape(exporter: ExporterProcess) -> int:
    """The status of an answer on a new connection; 0 when none came."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return exporter.request("ops", "GET", "/metrics", timeout=3).status
    return 0


def _post(exporter: ExporterProcess) -> int:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return exporter.post({"system": "softdrive", "code": "01"}, timeout=3).status
    return 0


def _recovers(exporter: ExporterProcess, patience: float) -> tuple[int, int]:
    """The statuses of a scrape and of an event: both 200, or the last ones after `patience` seconds."""
    statuses = (0, 0)

    def recovered() -> bool:
        nonlocal statuses
        statuses = _scrape(exporter), _post(exporter)
        return statuses == (200, 200)

    with contextlib.suppress(AssertionError):
        wait_for(recovered, patience)
    return statuses


def _too_few(folder: Path) -> tuple[str, bool]:
    exporter = ExporterProcess(folder / "start", wrapper=("prlimit", f"--nofile={_TOO_FEW}"))
    exporter.launch()
    clear = exporter.wait() == 1 and f"open files are limited to {_TOO_FEW}" in exporter.log
    message = "exits with 1, clear message" if clear else "no clear message"
    return f"{_TOO_FEW} at the start: {message}", clear


def _flood(folder: Path, scrapes: int, patience: float, mutant: str) -> tuple[str, bool]:
    """More connections than descriptors: each scrape must be answered."""
    limit = ("prlimit", f"--nofile={_FEW}")
    with (
        ExporterProcess(folder / "flood", wrapper=limit, mutant=mutant) as exporter,
        contextlib.ExitStack() as opened,
    ):
        for _ in range(2 * _FEW):
            opened.enter_context(connect(exporter.ports["ingest"]))
        answered = int(_scrape(exporter) == 200)
        refused = 0
        if answered:
            answered += sum(_scrape(exporter) == 200 for _ in range(scrapes - 1))
            refused = int(exporter.total(REFUSED_REQUESTS, reason="too_many_connections"))
        opened.close()
        recovered = _recovers(exporter, patience)
    figure = (
        f"{2 * _FEW} connections with {_FEW}: {answered} of {scrapes} scrapes, {refused} refused, "
        f"then {recovered}"
    )
    return figure, answered == scrapes and refused > _FEW and recovered == (200, 200)


def _exhaust(folder: Path, seconds: float, patience: float, mutant: str) -> tuple[str, bool]:
    """No free descriptor for `seconds`: a scrape on an open connection is answered, and no loop spins."""
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        ops = exporter.ports["ops"]
        scraping = http.client.HTTPConnection("127.0.0.1", ops, timeout=30)
        with contextlib.closing(scraping):
            # The connection is accepted once it is answered. The first scrape and log line import modules.
            scraping.request("GET", "/metrics")
            assert scraping.getresponse().read()
            idle = descriptors(exporter)
            assert exporter.request("ingest", "GET", "/").status == 404
            wait_for(lambda: descriptors(exporter) <= idle, what="a connection closed")
            _, hard = resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE)
            taken = {int(name) for name in os.listdir(f"/proc/{exporter.pid}/fd")}
            # With this limit no descriptor can be opened.
            free = next(number for number in range(len(taken) + 1) if number not in taken)
            resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (free, hard))
            try:
                scraping.request("GET", "/metrics")
                status = scraping.getresponse().status
                with connect(ops), connect(exporter.ports["ingest"]):
                    share = _compared_with_a_busy_loop(exporter, seconds)
            finally:
                resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (hard, hard))
        recovered = _recovers(exporter, patience)
    figure = f"none left for {seconds:g} s: {status}, {share:.0%} of a busy loop, then {recovered}"
    return figure, status == 200 and share < _IDLE_SHARE and recovered == (200, 200)


def _compared_with_a_busy_loop(exporter: ExporterProcess, seconds: float) -> float:
    """Processor time of the exporter divided by that of a busy loop: on a busy machine both get less."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        wait_for(lambda: processor_seconds(loop.pid) > 0, what="a busy loop")
        before = [processor_seconds(pid) for pid in (exporter.pid, loop.pid)]
        time.sleep(seconds)  # processor time during a span is what is measured
        after = [processor_seconds(pid) for pid in (exporter.pid, loop.pid)]
    finally:
        loop.kill()
        loop.wait()
    return (after[0] - before[0]) / max(after[1] - before[1], 0.01)


_UNLIMITED: Final = patched(
    "exporter.server.resources.connection_limits",
    'lambda wanted: {"ingest": 100_000, "ops": 100_000}',
)
_PAUSE: Final = "exporter.server.connections.PAUSE"
_WITHOUT_PAUSE: Final = patched(_PAUSE, "0")


@row(
    29,
    "no descriptor left",
    "ops listener answers; all recovers",
    Mutant("limit of connections", _UNLIMITED, " 0 of 10 scrapes"),
    Mutant("return to accepting", patched(_PAUSE, "3600"), r"then \(0, 0\)$"),
    Mutant("pause of accepting", _WITHOUT_PAUSE, r"(1[5-9]|[2-9]\d|\d{3})% of a busy loop"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Run all three parts, or with a mutant only the part that must notice it."""
    scrapes, seconds = (10, 1.0) if quick else (200, 20.0)
    if mutant not in ("", _WITHOUT_PAUSE):
        seconds = 0.1  # no processor time is measured
    patience = 2.0 if mutant else 15.0
    parts = [] if mutant else [_too_few(folder)]
    if mutant in ("", _UNLIMITED):
        parts.append(_flood(folder, scrapes, patience, mutant))
    if mutant != _UNLIMITED:
        parts.append(_exhaust(folder, seconds, patience, mutant))
    return reached("; ".join(figure for figure, _ in parts), all(holds for _, holds in parts))
