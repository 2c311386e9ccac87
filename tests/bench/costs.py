"""Memory per id, the times of a start, a scrape and a page, and how long a scrape delays an event."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Final

from tests.bench.setup import Setup
from tests.bench.turns import Measure, Sample
from tests.bench.wrk import fill, running, series
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.usage import resident

SETTINGS: Final = {"labels": "region", "max_label_values": 10_000, "first_seen_zero_for": 0}
SERIES_PER_VALUE: Final = 8
"""batch.lua sends each label value with four codes: four series of ends, and four series of sums by label."""
_IDS: Final = 2_000_000
"""Few enough to be posted within seconds, and enough to outweigh the exporter's other memory."""
_OPENMETRICS: Final = {"Accept": "application/openmetrics-text;version=1.0.0"}


@contextmanager
def per_id(setup: Setup) -> Iterator[Measure]:
    """Bytes per id: memory with a full window, minus memory with a window of 1,000 ids, after as many events.

    Each id was replaced once, so memory that is still allocated for expired ids is included.
    """
    ids = setup.scaled(_IDS)

    def memory(window: int) -> int:
        with setup.exporter({"dedup_window_ids": window}) as exporter:
            fill(exporter, 2 * ids)
            return resident(exporter)

    other = memory(1000)
    yield lambda: Sample((memory(ids) - other) / ids)


@contextmanager
def start(ids: int, setup: Setup) -> Iterator[Measure]:
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


@contextmanager
def durations(number: int, setup: Setup) -> Iterator[Measure]:
    """Milliseconds that /metrics with this number of series takes, as Prometheus asks for it."""
    with _many_series(setup, number) as (exporter, note):
        yield lambda: Sample(1000 * median(scrape(exporter) for _ in range(5)), note=note)


@contextmanager
def waits(number: int, scraping: bool, setup: Setup) -> Iterator[Measure]:
    """The longest wait among 100 events in milliseconds, with continuous scrapes or without scrapes."""
    with _many_series(setup, number) as (exporter, note):
        posts = setup.scaled(100)

        def turn() -> Sample:
            # The median of seven rounds: the machine may stall in one of them.
            with _scrapes(exporter) if scraping else nullcontext():
                longest = median(max(_wait(exporter) for _ in range(posts)) for _ in range(7))
            return Sample(1000 * longest, note=note)

        yield turn


@contextmanager
def _many_series(setup: Setup, number: int) -> Iterator[tuple[ExporterProcess, str]]:
    """An exporter with this number of further series, and a note with the number of all."""
    with setup.exporter(SETTINGS) as exporter:
        shown, _ = add_series(exporter, setup.scaled(number))
        yield exporter, f"{shown:,} series of counters"


def add_series(exporter: ExporterProcess, more: int) -> tuple[int, int]:
    """Post events with enough label values to add the given number of series of counters.

    Returns the number of all series of counters, and that of the values.
    """
    values = -(-more // SERIES_PER_VALUE)
    goal = series(exporter) + values * SERIES_PER_VALUE
    with running("batch.lua", exporter.ports["ingest"], 1, values) if values else nullcontext():
        wait_for(lambda: series(exporter) == goal, what=f"{goal} series")
    return goal, values


def scrape(exporter: ExporterProcess) -> float:
    """The seconds that a scrape takes."""
    return _seconds(exporter, "/metrics", b"# EOF\n", _OPENMETRICS)


@contextmanager
def page(setup: Setup) -> Iterator[Measure]:
    """Milliseconds that the page of all codes takes."""
    with setup.exporter() as exporter:
        yield lambda: Sample(
            1000 * median(_seconds(exporter, "/codes", b"</html>") for _ in range(15))
        )


def _seconds(
    exporter: ExporterProcess, path: str, end: bytes, headers: dict[str, str] | None = None
) -> float:
    """The seconds of a GET request, whose answer ends with `end`."""
    began = time.perf_counter()
    reply = exporter.request("ops", "GET", path, headers=headers)
    assert reply.body.endswith(end), reply.body[-20:]
    return time.perf_counter() - began


@contextmanager
def _scrapes(exporter: ExporterProcess) -> Iterator[None]:
    """Scrapes in a process of its own, so that they do not delay the measuring process."""
    headers = [f"-H{name}: {value}" for name, value in _OPENMETRICS.items()]
    url = f"http://127.0.0.1:{exporter.ports['ops']}/metrics"
    with subprocess.Popen(
        ["wrk", "-t1", "-c1", "-d60", *headers, url], stdout=subprocess.DEVNULL
    ) as scraper:
        try:
            yield
        finally:
            scraper.terminate()


def _wait(exporter: ExporterProcess) -> float:
    """The seconds until an event is counted, the connection included."""
    began = time.perf_counter()
    assert exporter.post({"id": str(time.time_ns()), "system": "softdrive"}).status == 200
    return time.perf_counter() - began
