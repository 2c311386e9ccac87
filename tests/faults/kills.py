"""Rows 1 and 10 of the fault table: the process ends under load, by SIGKILL and by SIGTERM."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import Load
from tests.faults.table import Missed, Mutant, reached, row

_ANSWER_FIRST: Final = """
import asyncio
from exporter.ledger.contract import Receipt
from exporter.ledger.sqlite import SqliteLedger
commit, tasks = SqliteLedger.commit, set()
async def later(self, batch):
    await asyncio.sleep(0.2)
    await commit(self, batch)
async def early(self, batch):
    tasks.add(asyncio.ensure_future(later(self, batch)))
    return Receipt(len(batch))
SqliteLedger.commit = early
"""
_MUTANTS: Final = (Mutant("commit before the answer", _ANSWER_FIRST, "counted"),)


def _end_under_load(
    folder: Path, ends: int, end: Callable[[ExporterProcess], object], mutant: str
) -> tuple[Load, int, list[float]]:
    """The load, the events counted at the end, and the seconds that each end took.

    Four senders post and retry while the exporter is ended `ends` times by `end`.
    """
    rng = random.Random(1)
    exporter = ExporterProcess(folder / "data", mutant=mutant)
    load = Load(lambda: exporter.ports.get("ingest"))
    seconds = []
    with exporter:
        load.start()
        for _ in range(ends):
            load.wait_for_acknowledged(1)
            time.sleep(rng.uniform(0.0, 0.15))  # a random point in the exporter's work
            began = time.monotonic()
            assert end(exporter) in (None, 0)
            seconds.append(time.monotonic() - began)
            exporter.ports = {}
            acknowledged = load.acknowledged
            exporter.start()
            counted = exporter.total("session_ends_total")
            if not acknowledged <= counted <= load.sent:
                load.abandon()
                raise Missed(f"{acknowledged} acknowledged, {counted} counted, {load.sent} sent")
        load.finish()
        counted = int(exporter.total("session_ends_total"))
    return load, counted, seconds


@row(1, "kill -9 under load", "500 kills, nothing lost or doubled", *_MUTANTS)
def kill(folder: Path, quick: bool, mutant: str = "") -> str:
    load, counted, ends = _end_under_load(folder, 3 if quick else 500, ExporterProcess.kill, mutant)
    assert load.retries, "the kills hit nothing"
    figure = f"{len(ends)} kills, {load.sent:,} events, {load.retries:,} retries"
    return reached(f"{figure}, {counted:,} counted", counted == load.sent)


@row(10, "SIGTERM under load", "100 × ≤ 5 s, nothing lost or doubled", *_MUTANTS)
def stop(folder: Path, quick: bool, mutant: str = "") -> str:
    load, counted, ends = _end_under_load(folder, 2 if quick else 100, ExporterProcess.stop, mutant)
    figure = (
        f"{len(ends)} stops, {load.sent:,} events, {counted:,} counted, slowest {max(ends):.2f} s"
    )
    return reached(figure, counted == load.sent and (quick or max(ends) <= 5))
