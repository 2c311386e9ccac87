"""Rows 7, 28 and 33 of the fault table: other processes and the ledger's files."""

import contextlib
import http.client
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from exporter.ledger import recovery
from exporter.ledger.recovery import LedgerSettings, open_ledger
from exporter.ledger.store import Meta, Store
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Missed, Mutant, patched, reached, row

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


# --- row 28: files that are replaced -------------------------------------------------------------


def _replace(data: Path) -> None:
    data.rename(data.with_name("moved"))
    shutil.copytree(data.with_name("moved"), data)


def _swap(data: Path) -> None:
    shutil.copy(data / "ledger.db", data / "copy")
    (data / "copy").replace(data / "ledger.db")


_DELETED: Final[dict[str, Callable[[Path], None]]] = {
    f"{name} deleted": lambda data, name=name: (data / name).unlink()
    for name in ("ledger.db", "ledger.db-wal", "ledger.lock", "ledger.marker")
}
_CHANGES: Final[dict[str, Callable[[Path], None]]] = {
    "data_dir deleted": shutil.rmtree,
    "data_dir replaced": _replace,
    "ledger.db swapped": _swap,
    **_DELETED,
}
_MOST_POSTS: Final = 50


def _change(folder: Path, change: str, idle: bool, mutant: str) -> tuple[float, float]:
    """Change the files of an exporter that gets events, or of an idle exporter.

    Returns the seconds until the exporter noticed the change, and the seconds until it ended.
    """
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        assert exporter.post({"id": "before", "system": "softdrive"}).status == 200
        # Otherwise the import of the pages, a second after the start, would be part of the measured time.
        exporter.metrics()
        _CHANGES[change](exporter.data_dir)
        began = time.monotonic()
        acknowledged = 0

        def noticed() -> bool:
            nonlocal acknowledged
            try:
                if idle:
                    return not exporter.ready()
                event = {"id": str(acknowledged), "system": "softdrive"}
                answered = exporter.post(event).status == 200
                acknowledged += answered
                return not answered or acknowledged > _MOST_POSTS
            except (OSError, http.client.HTTPException):
                return True

        try:
            wait_for(noticed, 3 if mutant and idle else 60)
        except AssertionError:
            raise Missed(f"{change}: not noticed") from None
        seconds = time.monotonic() - began
        if acknowledged:
            raise Missed(f"{change}: {acknowledged} × 200 after")
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert not exporter.ready()
        assert exporter.wait() == 1
        last = exporter.log.strip().splitlines()[-1]
        assert str(exporter.data_dir) in last, last
        assert "restart the exporter: it reads" in last, last
        return seconds, time.monotonic() - began


_OF_FILES: Final = "exporter.ledger.files.OpenFiles"
_UNCHECKED: Final = "".join(
    patched(f"{_OF_FILES}.{name}", "lambda self: None") for name in ("check", "check_changes")
)


@row(
    28,
    "files deleted or swapped",
    "503 within 1 s, exit",
    Mutant("comparison of the files", _UNCHECKED, f"{_MOST_POSTS + 1} × 200"),
)
def replaced(folder: Path, quick: bool, mutant: str = "") -> str:
    changes = [(change, idle) for change in _CHANGES for idle in (False, True)]
    if quick:
        changes = [(change, False) for change in _DELETED] + [("data_dir replaced", True)]
    seconds, ends = zip(
        *(
            _change(folder / f"{number} {change} {idle}", change, idle, mutant)
            for number in range(1 if quick else 5)
            for change, idle in changes
        ),
        strict=True,
    )
    figure = f"{len(ends)} changes: noticed in {max(seconds):.2f} s, ended in {max(ends):.2f} s"
    return reached(figure, quick or max(seconds) <= 1)


# --- row 33: a first start that is killed --------------------------------------------------------

_SIGNALS: Final = (signal.SIGTERM, signal.SIGKILL)
_WITHIN: Final = 0.1
"""Seconds after the first file exists in which the exporter is killed."""


def _wait_for_lock(data: Path) -> None:
    """Return at once when the first file is there: a creation takes a few milliseconds."""
    lock, deadline = str(data / "ledger.lock"), time.monotonic() + 30
    while not os.path.exists(lock):
        assert time.monotonic() < deadline, "no lock file within 30 s"
        time.sleep(0.0002)


def _leftovers(data: Path) -> bool:
    return any(".new" in path.name or ".damaged-" in path.name for path in data.iterdir())


def _kill_creations(folder: Path, count: int, in_place: bool) -> Counter[str]:
    """Kill forked processes that only create a ledger, so that every kill hits the creation."""
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
        results["with leftovers"] += _leftovers(data)
    return results


def _kill_first_starts(folder: Path, count: int) -> Counter[str]:
    """Kill exporters within `_WITHIN` of the start of the creation, and start them again."""
    rng, results = random.Random("first starts"), Counter[str]()
    for number in range(count):
        exporter = ExporterProcess(folder / str(number) / "data")
        with contextlib.ExitStack() as stack:
            process = exporter.launch()
            stack.callback(exporter.kill)
            _wait_for_lock(exporter.data_dir)
            time.sleep(rng.uniform(0, _WITHIN))  # a random point of the start
            process.send_signal(_SIGNALS[number % 2])
            exporter.wait()
            results["unfinished"] += not (exporter.data_dir / "ledger.db").exists()
            exporter.start()
            ready = exporter.ready()
            accepted = exporter.post({"id": "a", "system": "softdrive"}).json["accepted"]
            results["damaged"] += not ready or accepted != 1
            results["with leftovers"] += _leftovers(exporter.data_dir)
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
    Mutant("creation under another name", "in place", "100 creations.* [1-9][0-9]* damaged"),
)
def first_start(folder: Path, quick: bool, mutant: str = "") -> str:
    starts, creations = (1, 40) if quick else (200, 2000)
    if mutant:
        starts, creations = 0, 100
    # A process without threads: forks of it are safe.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        creating = processes.submit(_kill_creations, folder / "creations", creations, bool(mutant))
        created = creating.result()
    started = _kill_first_starts(folder / "starts", starts)
    figure = "; ".join(
        ", ".join([what, *(f"{number} {state}" for state, number in results.items())])
        for what, results in (
            (f"{starts} first starts", started),
            (f"{creations} creations", created),
        )
    )
    assert mutant or created["unfinished"], "no kill hit a creation"
    both = created + started
    return reached(figure, not (both["damaged"] or both["with leftovers"]))
