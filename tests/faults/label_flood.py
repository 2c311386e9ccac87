"""Row 18 of the fault table: more label values than anyone has."""

import http.client
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import SHOWN_AT_ONCE, counted
from tests.faults.table import Row, reached


@dataclass(frozen=True)
class Flood:
    """What /metrics is like after events of that many label values: `values` shown, `lines` of
    session_ends_total, their sum in `counted`, and the median `scrape` in seconds."""

    values: int
    lines: int
    counted: int
    other: int
    scrape: float


def flood(exporter: ExporterProcess, count: int) -> Flood:
    """`count` events, each with a label value of its own, then five scrapes."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.ports["ingest"], timeout=60)
    for first in range(0, count, 1000):
        numbers = range(first, min(count, first + 1000))
        body = json.dumps([_labelled(number) for number in numbers])
        connection.request("POST", "/v1/session-ends", body, {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        assert reply["accepted"] == len(numbers), reply
    connection.close()
    counted(exporter, count)
    times = [_timed(lambda: exporter.request("ops", "GET", "/metrics")) for _ in range(5)]
    ends = {
        labels: value
        for (name, labels), value in exporter.metrics().items()
        if name == "session_ends_total"
    }
    values = {dict(labels).get("region", "") for labels in ends}
    other = sum(value for labels, value in ends.items() if ("region", "other") in labels)
    return Flood(
        len(values), len(ends), int(sum(ends.values())), int(other), statistics.median(times)
    )


def _labelled(number: int) -> dict[str, object]:
    code = (1000, 1006, 4001, 4005)[number % 4]
    label = {"region": f"region-{number}"}
    return {"id": f"flood-{number}", "system": "streampixel", "code": code, "labels": label}


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _run(folder: Path, quick: bool) -> str:
    count = 20_000 if quick else 1_000_000
    with ExporterProcess(folder / "data", settings=SHOWN_AT_ONCE) as exporter:
        found = flood(exporter, count)
    figure = (
        f"{count:,} values: {found.other:,} other, {found.counted:,} counted, {found.lines} series"
    )
    return reached(
        f"{figure}, scrape {found.scrape * 1000:.0f} ms",
        (found.counted, found.other) == (count, count - 50)
        and found.lines <= 2000
        and (quick or found.scrape < 0.1),
    )


ROW: Final = Row(18, "1 M label values", "exact; ≤ 2,000 series, < 100 ms", _run)
