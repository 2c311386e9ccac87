"""An honest sender in a process of its own, whose latencies show what a flood costs other senders."""

import contextlib
import http.client
import json
import math
import multiprocessing
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import post

_PAUSE: Final = 0.005
WORKERS: Final = 4


def p99(latencies: Iterable[float]) -> float:
    """The 99th percentile; NaN without values."""
    ordered = sorted(latencies)
    return ordered[int(len(ordered) * 0.99)] if ordered else math.nan


@contextlib.contextmanager
def honest(port: int, token: str = "") -> Iterator[list[float]]:
    """Post an event every 5 ms while the block runs. The list has the latencies in seconds once the block has
    ended.

    Fails when any answer was not 200.
    """
    latencies: list[float] = []
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_send_until_told, args=(port, token, theirs))
    process.start()
    # The end of the process then ends every `recv`.
    theirs.close()
    try:
        assert ours.recv() == "up"
        yield latencies
        ours.send("end")
        latencies += ours.recv()
    finally:
        process.kill()
        process.join()


def _send_until_told(port: int, token: str, parent: Connection) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    latencies: list[float] = []
    while not parent.poll(_PAUSE):
        event = {"id": f"{os.getpid()}-{len(latencies)}", "system": "softdrive", "code": "01"}
        began = time.perf_counter()
        status, body = post(connection, json.dumps(event), **headers)
        latencies.append(time.perf_counter() - began)
        assert status == 200, body
        if len(latencies) == 1:
            # The first request also opened the connection.
            latencies[0] = 0.0
            parent.send("up")
    parent.send(latencies)


# --- floods beside an honest sender ----------------------------------------------------------------


@dataclass
class Flood:
    """Statuses of a flood's requests, their rate per second, and an honest sender's latencies in seconds."""

    statuses: Counter[int]
    rate: float
    seconds: float
    before: list[float]
    during: list[float]

    @property
    def p99_ratio(self) -> float:
        return p99(self.during) / p99(self.before)

    @property
    def p99_figure(self) -> str:
        before, during = p99(self.before) * 1000, p99(self.during) * 1000
        return f"p99 {before:.1f} → {during:.1f} ms, × {self.p99_ratio:.2f}"


def flooded(
    exporter: ExporterProcess,
    token: str,
    seconds: float,
    rate: int,
    send: Callable[[int, int], int],
) -> Flood:
    """Measure for `seconds` without a flood, then with a flood of `seconds` × `rate` requests.

    `send(worker, number)` sends a request and returns its status. A short flood compares nothing: it has no
    phase without a flood.
    """
    measures = seconds >= 5

    def work(worker: int) -> Counter[int]:
        if measures:
            # In production a flood comes from other machines, so its sender must not take the exporter's
            # processor time. With low priority, a short flood beside other tests would not run at all.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        began = time.monotonic()
        statuses: Counter[int] = Counter()
        # The flood ends by number and not by time: on a busy machine it is slower but as large.
        for number in range(int(seconds * rate / WORKERS)):
            time.sleep(max(0.0, began + number * WORKERS / rate - time.monotonic()))
            statuses[send(worker, number)] += 1
        return statuses

    before: list[float] = []
    if measures:
        with honest(exporter.ports["ingest"], token) as before:
            time.sleep(seconds)  # a duration is what is measured
    with honest(exporter.ports["ingest"], token) as during, ThreadPoolExecutor(WORKERS) as pool:
        began = time.monotonic()
        statuses = sum(pool.map(work, range(WORKERS)), Counter[int]())
        took = time.monotonic() - began
    return Flood(statuses, statuses.total() / took, took, before, during)


def rounds(
    folder: Path, quick: bool, flood: Callable[[Path, float], Flood]
) -> tuple[list[Flood], Flood]:
    """Nine floods of 10 s, or one of 1 s, and all of them as one: the p99 of one round varies by a third."""
    number, seconds = (1, 1.0) if quick else (9, 10.0)
    floods = [flood(folder / str(place), seconds) for place in range(number)]
    return floods, Flood(
        sum((each.statuses for each in floods), Counter[int]()),
        statistics.median(each.rate for each in floods),
        sum(each.seconds for each in floods),
        [latency for each in floods for latency in each.before],
        [latency for each in floods for latency in each.during],
    )
