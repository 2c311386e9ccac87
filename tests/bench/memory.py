"""Memory of the deduplication window while it fills and after, and its time at start."""

import asyncio
import os
import time
from pathlib import Path
from statistics import median

from exporter.ledger.contract import Batch, Family, Series
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from exporter.ledger.window import Window, words
from tests.bench.table import Row, spread
from tests.e2e.exporter_process import ExporterProcess

IDS = 1_000_000


def per_id() -> Row:
    """Resident memory per id, and its growth by a second and a third million of ids."""
    before = _resident()
    window = Window(IDS, 16_384)
    sizes = []
    for _ in range(3):
        for _ in range(0, IDS, 8000):
            spare = window.size - len(window)
            window.expire(max(0, 8000 - spare))
            window.add(words(os.urandom(16 * 8000), 16), words(os.urandom(8 * 8000), 8))
        sizes.append((_resident() - before) / IDS)
    first, growth = sizes[0], max(sizes[1:]) - sizes[0]
    return Row(
        "bytes of memory per id in the window",
        f"{first:.0f}",
        f"{growth:+.1f} after two more million",
        "≤ 150, flat",
        first <= 150 and growth < 5,
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start(folder: Path, runs: int) -> Row:
    """Seconds from exec to ready with a million ids in the ledger, beside an empty one."""
    asyncio.run(_fill(folder / "full"))
    full, empty = [], []
    for _ in range(runs):
        full.append(_seconds(folder / "full"))
        empty.append(_seconds(folder / "empty"))
    return Row(
        "seconds to ready with 1 M ids",
        spread(full, 2),
        f"with none {spread(empty, 2)}",
        "< 1",
        median(full) < 1,
    )


async def _fill(folder: Path) -> None:
    ledger = await SqliteLedger.open(Plan(folder))
    series = Series(Family.ENDS, "streampixel", "4001", "connect", "capacity", "failure")
    for _ in range(0, IDS, 1000):
        await ledger.commit(Batch([series] * 1000, os.urandom(16_000), os.urandom(8000)))
    await ledger.close()


def _seconds(folder: Path) -> float:
    began = time.monotonic()
    with ExporterProcess(folder) as exporter:
        assert exporter.request("ops", "GET", "/-/ready").status == 200
        return time.monotonic() - began
