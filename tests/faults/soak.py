"""Row 25 of the fault table: hours of steady traffic, during which memory and the WAL do not grow.

20 minutes by default; `SOAK_MINUTES=120 make faults ARGS=25` is the two hours of the design.
"""

import http.client
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import post
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import MIB, resident

_MINUTES: Final = float(os.environ.get("SOAK_MINUTES", "20"))
_PER_SECOND: Final = 50
"""Requests, of `_BATCH` events each."""
_BATCH: Final = 20
_CONNECTIONS: Final = 8
_SETTINGS: Final = {"labels": "region", "max_label_values": 20, "dedup_window_ids": 20_000}
"""A deduplication window that is full within the first minute: until then memory grows as it should."""
_MOST_WAL: Final = 16 * MIB
"""The ledger's `journal_size_limit`."""
_SLOPE: Final = 1.0
"""MiB per hour."""
_MOST_GROWTH: Final = 60 * MIB
"""The limit of the quick version, in which the window fills up."""
_SAMPLES: Final = 400


def _event(number: int) -> dict[str, object]:
    return {
        "id": f"soak-{number}",
        "system": "streampixel",
        "code": (1000, 1000, 4001, 1006, "no such code")[number % 5],
        "session_id": f"session-{number}",
        "duration_seconds": number % 600,
        "labels": {"region": f"region-{number % 30}"},
    }


def _slope(times: Sequence[float], memory: Sequence[int]) -> float:
    """MiB per hour by least squares, without the first quarter of the samples."""
    first = len(times) // 4
    per_second, _ = np.polyfit(times[first:], memory[first:], 1)
    return float(per_second) * 3600 / MIB


_LEAK: Final = patched(
    "exporter.ledger.group.Group.receipts",
    'lambda self, kept=[]: kept.append(b"x" * (1 << 19)) or original(self)',
)
_NO_CHECKPOINTS: Final = patched(
    "exporter.ledger.store.Store.after_commits",
    "lambda self, hook: self._connection.set_wal_hook(None)",
)


@row(
    25,
    f"soak, {_MINUTES:g} min",
    f"memory < {_SLOPE:g} MiB/h, WAL ≤ {_MOST_WAL // MIB} MiB",
    Mutant("release of memory", _LEAK, r"memory \d{3} MiB"),
    Mutant("checkpoints", _NO_CHECKPOINTS, r"WAL ≤ (1[6-9]|[2-9]\d)"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Send a tenth of the requests twice, and also malformed bodies, scrapes and new connections."""
    requests = 600 if quick else int(_MINUTES * 60 * _PER_SECOND)
    pause = 0 if quick else 1 / _PER_SECOND
    wal = folder / "data" / "ledger.db-wal"
    times, memory, largest = [], [], 0
    with ExporterProcess(folder / "data", settings=_SETTINGS, mutant=mutant) as exporter:
        port = exporter.ports["ingest"]
        connections = [
            http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_CONNECTIONS)
        ]
        began = time.monotonic()
        for number in range(requests):
            connection = connections[number % _CONNECTIONS]
            body = json.dumps([_event(number * _BATCH + index) for index in range(_BATCH)])
            for _ in range(2 if number % 10 == 0 else 1):
                assert post(connection, body)[0] == 200
            if number % 20 == 0:
                assert post(connection, body[:-1])[0] == 400
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
        minutes = (time.monotonic() - began) / 60
        counted = int(exporter.total(names.ACCEPTED_EVENTS))
    events, slope = requests * _BATCH, _slope(times, memory)
    grown = memory[-1] - memory[len(memory) // 4]
    figure = (
        f"{minutes:.1f} min, {counted:,} of {events:,} events counted; memory {memory[-1] / MIB:.0f} MiB, "
        f"{slope:+.2f} MiB/h; WAL ≤ {largest / MIB:.1f} MiB"
    )
    # A few seconds show nothing about the growth in an hour.
    flat = grown <= _MOST_GROWTH if quick else slope < _SLOPE
    return reached(figure, flat and largest <= _MOST_WAL and counted == events)
