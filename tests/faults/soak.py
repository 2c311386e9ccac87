"""Row 25 of the fault table: hours of steady traffic, after which memory and the WAL are as before.

20 minutes by default; `SOAK_MINUTES=120 make faults ARGS=25` is the two hours of the design.
"""

import http.client
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.gzip_bomb import MIB
from tests.faults.table import Row, reached
from tests.faults.usage import resident

MINUTES: Final = float(os.environ.get("SOAK_MINUTES", "20"))
PER_SECOND: Final = 50
"""Requests, of `BATCH` events each."""
BATCH: Final = 20
CONNECTIONS: Final = 8
SETTINGS: Final = {"labels": "region", "max_label_values": 20, "dedup_window_ids": 20_000}
"""A deduplication window that is full within the first minute: until then memory grows as it should."""
MOST_WAL: Final = 16 * MIB
"""The ledger's `journal_size_limit`."""
SLOPE: Final = 1.0
"""MiB an hour."""
_SAMPLES: Final = 400


@dataclass(frozen=True)
class Soak:
    """`slope` of resident memory in MiB/h after the first quarter of the time; `memory` at the end and
    `wal` at its largest, in bytes."""

    seconds: float
    events: int
    counted: int
    slope: float
    memory: int
    wal: int


def soak(exporter: ExporterProcess, requests: int, pause: float) -> Soak:
    """Send `requests`, a `pause` in seconds apart, a tenth of them twice; between them refused bodies,
    scrapes and new connections."""
    port = exporter.ports["ingest"]
    connections = [
        http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CONNECTIONS)
    ]
    wal = exporter.data_dir / "ledger.db-wal"
    times, memory, largest = [], [], 0
    began = time.monotonic()
    for number in range(requests):
        connection = connections[number % CONNECTIONS]
        body = json.dumps([_event(number * BATCH + index) for index in range(BATCH)])
        for _ in range(2 if number % 10 == 0 else 1):
            assert _post(connection, body) == 200
        if number % 20 == 0:
            assert _post(connection, body[:-1]) == 400
        if number % 100 == 0:
            connection.close()
            assert exporter.request("ops", "GET", "/metrics").status == 200
        if number % max(1, requests // _SAMPLES) == 0:
            times.append(time.monotonic() - began)
            memory.append(resident(exporter))
            largest = max(largest, wal.stat().st_size)
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
    for connection in connections:
        connection.close()
    return Soak(
        time.monotonic() - began,
        requests * BATCH,
        int(exporter.total(names.ACCEPTED_EVENTS)),
        _slope(times, memory),
        memory[-1],
        largest,
    )


def _event(number: int) -> dict[str, object]:
    code = (1000, 1000, 4001, 1006, "no such code")[number % 5]
    return {
        "id": f"soak-{number}",
        "system": "streampixel",
        "code": code,
        "session_id": f"session-{number}",
        "duration_seconds": number % 600,
        "labels": {"region": f"region-{number % 30}"},
    }


def _post(connection: http.client.HTTPConnection, body: str) -> int:
    connection.request("POST", "/v1/session-ends", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status


def _slope(times: Sequence[float], memory: Sequence[int]) -> float:
    """MiB an hour by least squares, without the first quarter of the samples."""
    first = len(times) // 4
    per_second, _ = np.polyfit(times[first:], memory[first:], 1)
    return float(per_second) * 3600 / MIB


def _run(folder: Path, quick: bool) -> str:
    requests = 400 if quick else int(MINUTES * 60 * PER_SECOND)
    with ExporterProcess(folder / "data", settings=SETTINGS) as exporter:
        found = soak(exporter, requests, 0 if quick else 1 / PER_SECOND)
    figure = (
        f"{found.seconds / 60:.1f} min, {found.counted:,} of {found.events:,} events counted; memory "
        f"{found.memory / MIB:.0f} MiB, {found.slope:+.2f} MiB/h; WAL ≤ {found.wal / MIB:.1f} MiB"
    )
    # Seconds say nothing of an hour.
    flat = quick or found.slope < SLOPE
    return reached(figure, flat and found.wal <= MOST_WAL and found.counted == found.events)


ROW: Final = Row(
    25,
    f"soak, {MINUTES:g} min",
    f"memory < {SLOPE:g} MiB/h, WAL ≤ {MOST_WAL // MIB} MiB",
    _run,
)
