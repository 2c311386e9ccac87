"""Rows 1 and 10 of the fault table: the process ends under load, by SIGKILL and by SIGTERM."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import Load
from tests.faults.table import Row, reached


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to; `stops` are the seconds from SIGTERM to the process's end."""

    ends: int
    events: int
    counted: int
    retries: int
    stops: tuple[float, ...] = ()


def end_under_load(
    folder: Path, ends: int, *, graceful: bool, seed: int = 1, mutant: str = ""
) -> Outcome:
    """End the exporter `ends` times while four senders post and retry; count at the end.

    After each end at least all acknowledged events are counted, and at most all sent ones.
    """
    rng = random.Random(seed)
    exporter = ExporterProcess(folder / "data", mutant=mutant)
    load = Load(lambda: exporter.ports.get("ingest"))
    stops = []
    with exporter:
        load.start()
        for _ in range(ends):
            before = load.acknowledged
            wait_for(lambda at=before: load.acknowledged > at, what="an acknowledged event")
            time.sleep(rng.uniform(0.0, 0.15))  # when in its work the process is hit is random
            if graceful:
                began = time.monotonic()
                assert exporter.stop() == 0
                stops.append(time.monotonic() - began)
            else:
                exporter.kill()
            exporter.ports = {}
            acknowledged = load.acknowledged
            exporter.start()
            counted = exporter.total("session_ends_total")
            assert acknowledged <= counted <= load.sent, "acknowledged ⊆ counted ⊆ sent"
        load.finish()
        counted = int(exporter.total("session_ends_total"))
    return Outcome(ends, load.sent, counted, load.retries, tuple(stops))


_NOTHING_LOST: Final = "nothing lost or doubled"


def _kill(folder: Path, quick: bool) -> str:
    outcome = end_under_load(folder, 5 if quick else 500, graceful=False)
    assert outcome.retries, "the kills hit nothing"
    figure = f"{outcome.ends} kills, {outcome.events:,} events, {outcome.retries:,} retries"
    return reached(f"{figure}, {outcome.counted:,} counted", outcome.counted == outcome.events)


def _stop(folder: Path, quick: bool) -> str:
    outcome = end_under_load(folder, 3 if quick else 100, graceful=True)
    figure = (
        f"{outcome.ends} stops, {outcome.events:,} events, {outcome.counted:,} counted, "
        f"slowest {max(outcome.stops):.2f} s"
    )
    return reached(figure, outcome.counted == outcome.events and max(outcome.stops) <= 5)


KILLS: Final = Row(1, "kill -9 under load", f"500 kills, {_NOTHING_LOST}", _kill)
STOPS: Final = Row(10, "SIGTERM under load", f"100 × ≤ 5 s, {_NOTHING_LOST}", _stop)
