"""The duration of a scrape of 2,000 series, and how long it delays an event."""

import threading
import time
from pathlib import Path
from statistics import median

from tests.bench.table import Row, spread
from tests.e2e.exporter_process import ExporterProcess

SERIES = 2000
_OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def scrapes(folder: Path, runs: int) -> list[Row]:
    """Duration of /metrics with 2,000 series, and a single event's longest wait with and without scrapes."""
    settings = {"labels": "region", "max_label_values": 1000, "first_seen_zero_for": 0}
    with ExporterProcess(folder / "scrape", settings=settings) as exporter:
        event = {"system": "streampixel", "code": 4001}
        for final in (True, False):
            batch = [
                {**event, "final": final, "labels": {"region": f"region-{number}"}}
                for number in range(SERIES // 2)
            ]
            assert exporter.post(batch).status == 200
        assert sum(name.startswith("session_") for name, _ in exporter.metrics()) >= SERIES
        times = [_scrape(exporter) for _ in range(runs)]
        quiet = _longest_wait(exporter, scraping=False)
        scraped = _longest_wait(exporter, scraping=True)
    return [
        Row(
            "ms for /metrics with 2,000 series",
            spread((seconds * 1000 for seconds in times), 1),
            "OpenMetrics, created included",
            "≤ 20",
            median(times) * 1000 <= 20,
        ),
        Row(
            "ms longest wait of an event while it is scraped",
            f"{scraped * 1000:.1f}",
            f"without scrapes {quiet * 1000:.1f}",
            "≤ 20 more",
            scraped - quiet <= 0.02,
        ),
    ]


def _scrape(exporter: ExporterProcess) -> float:
    """The seconds that a scrape takes."""
    began = time.perf_counter()
    reply = exporter.request("ops", "GET", "/metrics", headers=_OPENMETRICS)
    assert reply.body.endswith(b"# EOF\n")
    return time.perf_counter() - began


def _longest_wait(exporter: ExporterProcess, *, scraping: bool) -> float:
    """The median of the longest waits of seven rounds: the machine may stall in one of them."""
    stop = threading.Event()

    def scrape() -> None:
        while not stop.is_set():
            _scrape(exporter)

    scraper = threading.Thread(target=scrape if scraping else stop.wait)
    scraper.start()
    try:
        return median(max(_wait(exporter) for _ in range(100)) for _ in range(7))
    finally:
        stop.set()
        scraper.join()


def _wait(exporter: ExporterProcess) -> float:
    """The seconds until an event is counted, the connection included."""
    began = time.perf_counter()
    assert exporter.post({"id": str(time.time_ns()), "system": "softdrive"}).status == 200
    return time.perf_counter() - began
