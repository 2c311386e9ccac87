"""Rows 7 and 33 of the fault table: two processes with one ledger, and first starts that are killed."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from exporter.ledger import recovery
from exporter.ledger.recovery import LedgerSettings, open_ledger
from exporter.ledger.store import Meta, Store
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Mutant, reached, row

# --- row 7: a second writer ----------------------------------------------------------------------


@row(7, "second writer on the same file", "exits, clear message")
def second_writer(folder: Path, quick: bool) -> str:
    with ExporterProcess(folder / "data") as first:
        for _ in range(1 if quick else 10):
            second = ExporterProcess(folder / "data")
            second.launch()
            assert second.wait() == 1
            assert "in use by another process: two exporters need two data_dirs" in second.log
            assert first.post({"id": "a", "system": "softdrive"}).status == 200
    return "refused with exit code 1"


# --- row 33: a first start that is killed --------------------------------------------------------

_SIGNALS: Final = (signal.SIGTERM, signal.SIGKILL)


def _wait_for_lock(data: Path) -> None:
    """Return at once when the first file is there: a creation takes a few milliseconds."""
    lock, deadline = str(data / "ledger.lock"), time.monotonic() + 30
    while not os.path.exists(lock):
        assert time.monotonic() < deadline, "no lock file within 30 s"
        time.sleep(0.0002)


def _kill_creations(folder: Path, count: int, in_place: bool) -> Counter[str]:
    """Kill forked processes that only open their first ledger, and open it again. A kill of a whole exporter
    would seldom hit the few milliseconds of a creation."""
    if in_place:
        recovery.create = _create_in_place  # type: ignore[attr-defined]
    rng, results = random.Random("first starts"), Counter[str]()
    began = time.monotonic()
    open_ledger(LedgerSettings(folder / "timed")).close()
    within = time.monotonic() - began
    for number in range(count):
        data = folder / str(number)
        pid = os.fork()
        if not pid:
            open_ledger(LedgerSettings(data))
            time.sleep(60)
            os._exit(0)
        _wait_for_lock(data)
        time.sleep(rng.uniform(0, within))  # a random point of the creation
        os.kill(pid, rng.choice(_SIGNALS))
        os.waitpid(pid, 0)
        results["unfinished"] += not (data / "ledger.db").exists()
        opened = open_ledger(LedgerSettings(data))
        opened.close()
        results["damaged"] += opened.moved_to is not None
        names = [path.name for path in data.iterdir()]
        results["with leftovers"] += any(".new" in name or ".damaged-" in name for name in names)
    return results


def _create_in_place(path: Path, meta: Meta) -> None:
    store = Store(path)
    store.create(meta)
    store.close()


@row(
    33,
    "first start killed",
    "200 times, next start clean",
    # The code of this mutant only says that the ledger is created in place.
    Mutant("creation under another name", "in place", "100 first starts.* [1-9][0-9]* damaged"),
)
def first_start(folder: Path, quick: bool, mutant: str = "") -> str:
    count = 100 if mutant else 40 if quick else 2000
    # A process without threads: forks of it are safe.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        results = processes.submit(_kill_creations, folder, count, bool(mutant)).result()
    states = ", ".join(f"{number} {state}" for state, number in results.items())
    assert mutant or results["unfinished"], "no kill hit a creation"
    return reached(
        f"{count} first starts: {states}", not (results["damaged"] or results["with leftovers"])
    )
