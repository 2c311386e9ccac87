"""Rows 1 and 10 of the fault table: the process ends under load, by SIGKILL and by SIGTERM."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import Load
from tests.faults.table import Missed, Mutant, reached, row

_ANSWER_FIRST: Final = """
from exporter.ledger.contract import Receipt
from exporter.ledger.sqlite import SqliteLedger
enqueue = SqliteLedger.enqueue
def early(self, batch, answered):
    self._loop.call_later(0.2, enqueue, self, batch, lambda _: None)
    self._loop.call_soon(answered, Receipt(len(batch)))
SqliteLedger.enqueue = early
"""
_REPEATS_APART: Final = """
from dataclasses import replace
from exporter.ledger.contract import Family
from exporter.ledger.store import Store
write = Store.write
def without_repeats(self, meta, changes, *rest):
    kept = [total for total in changes.series if total.series.family is not Family.REPEATS]
    write(self, meta, replace(changes, series=kept), *rest)
Store.write = without_repeats
"""
_COMMIT: Final = Mutant("commit before the answer", _ANSWER_FIRST, "counted")
_REPEATS: Final = Mutant("repeats in the commit of their ends", _REPEATS_APART, "no repeats")


def _end_under_load(
    folder: Path, ends: int, end: Callable[[ExporterProcess], object], mutant: str
) -> tuple[Load, str, list[float]]:
    """Returns the load, the figure of the counts, and the seconds that each end of the process took.

    Four senders post and retry while the exporter is ended `ends` times by `end`. Raises `Missed` when an
    event is lost or doubled, and when more repeats are missing than the forgotten users of each start
    explain.
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
            counted = exporter.total(names.SESSION_ENDS)
            if not acknowledged <= counted <= load.sent:
                raise Missed(f"{acknowledged} acknowledged, {counted} counted, {load.sent} sent")
        load.finish()
        counted = int(exporter.total(names.SESSION_ENDS))
        firsts = counted - int(exporter.total(names.SESSION_END_REPEATS))
    most = load.firsts + ends * load.forgotten
    figure = f"{counted:,} counted, {firsts:,} no repeats ({load.firsts:,} to {most:,})"
    exact = counted == load.sent and load.firsts <= firsts <= most
    return load, reached(figure, exact), seconds


@row(1, "kill -9 under load", "500 kills, nothing lost or doubled", _COMMIT, _REPEATS)
def kill(folder: Path, quick: bool, mutant: str = "") -> str:
    kills = 2 if mutant else 3 if quick else 500
    load, counted, ends = _end_under_load(folder, kills, ExporterProcess.kill, mutant)
    assert load.retries, "the kills hit nothing"
    return f"{len(ends)} kills, {load.sent:,} events, {load.retries:,} retries, {counted}"


@row(10, "SIGTERM under load", "100 × ≤ 5 s, nothing lost or doubled", _COMMIT)
def stop(folder: Path, quick: bool, mutant: str = "") -> str:
    load, counted, ends = _end_under_load(folder, 2 if quick else 100, ExporterProcess.stop, mutant)
    figure = f"{len(ends)} stops, {load.sent:,} events, {counted}, slowest {max(ends):.2f} s"
    return reached(figure, quick or max(ends) <= 5)
