"""Memory of the deduplication window per id, and the time of a start with and without ids."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.setup import Setup
from tests.bench.turns import Measure, Sample
from tests.bench.wrk import fill
from tests.faults.usage import resident

IDS: Final = 2_000_000
"""Few enough to be posted within seconds, and enough to outweigh the exporter's other memory."""


@contextmanager
def per_id(setup: Setup) -> Iterator[Measure]:
    """Bytes per id: memory with a full window, minus memory with a window of 1,000 ids, after as many events.

    Each id was replaced once, so memory that is still allocated for expired ids is included.
    """
    ids = setup.scaled(IDS)

    def memory(window: int) -> int:
        with setup.exporter({"dedup_window_ids": window}) as exporter:
            fill(exporter, 2 * ids)
            return resident(exporter)

    other = memory(1000)
    yield lambda: Sample((memory(ids) - other) / ids)


@contextmanager
def start(setup: Setup, ids: int) -> Iterator[Measure]:
    """Seconds from exec to ready with that many ids in the ledger."""
    folder = setup.new_folder() / "data"
    with setup.exporter(data_dir=folder) as exporter:
        fill(exporter, setup.scaled(ids) if ids else 0)
        exporter.stop()

    def turn() -> Sample:
        began = time.monotonic()
        with setup.exporter(data_dir=folder) as exporter:
            assert exporter.ready()
            return Sample(time.monotonic() - began)

    yield turn
