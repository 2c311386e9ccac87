"""Rows 7, 28 and 33 of the fault table: other processes and the ledger's files.

`python -m tests.faults.files FOLDER KILLS [--in-place]` prints the `Kills` of processes that create a ledger.
"""

import contextlib
import dataclasses
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.ledger import recovery
from exporter.ledger.recovery import Plan, open_ledger
from exporter.ledger.store import Meta, Store
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.faults.table import Mutant, Row, reached

# --- row 7: a second writer ----------------------------------------------------------------------


def _second_writer(folder: Path, quick: bool) -> str:
    rounds = 1 if quick else 10
    with ExporterProcess(folder / "data") as first:
        for _ in range(rounds):
            second = ExporterProcess(folder / "data")
            second.launch()
            assert second.wait() == 1
            assert "in use by another process" in second.log
            assert "Traceback" not in second.log
            assert first.post({"id": "a", "system": "softdrive"}).status == 200
    return f"refused {rounds} × with exit code 1"


SECOND_WRITER: Final = Row(
    7, "second writer on the same file", "exits, clear message", _second_writer
)


# --- row 28: files that are replaced -------------------------------------------------------------


def _replace(data: Path) -> None:
    data.rename(data.with_name("moved"))
    shutil.copytree(data.with_name("moved"), data)


def _swap(data: Path) -> None:
    shutil.copy(data / "ledger.db", data / "copy")
    (data / "copy").replace(data / "ledger.db")


_CHANGES: Final[dict[str, Callable[[Path], None]]] = {
    "data_dir deleted": shutil.rmtree,
    "data_dir replaced": _replace,
    "ledger.db swapped": _swap,
    "ledger.db deleted": lambda data: (data / "ledger.db").unlink(),
    "ledger.db-wal deleted": lambda data: (data / "ledger.db-wal").unlink(),
    "ledger.lock deleted": lambda data: (data / "ledger.lock").unlink(),
}
_MOST_POSTS: Final = 50


def _change(folder: Path, change: str, idle: bool, mutant: str) -> tuple[int, float, float]:
    """Change the files of an exporter that gets events, or of an idle one.

    Returns the events acknowledged after the change, and the seconds until the exporter refused events or was
    not ready, and until it had ended.
    """
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        assert exporter.post({"id": "before", "system": "softdrive"}).status == 200
        # The import of the pages, a second after the start, would be measured along.
        exporter.metrics()
        _CHANGES[change](exporter.data_dir)
        began = time.monotonic()
        acknowledged = 0

        def noticed() -> bool:
            nonlocal acknowledged
            try:
                if idle:
                    return exporter.request("ops", "GET", "/-/ready").status == 503
                event = {"id": str(acknowledged), "system": "softdrive"}
                acknowledged += exporter.post(event).status == 200
                return not acknowledged or acknowledged > _MOST_POSTS
            except (OSError, http.client.HTTPException):
                return True

        wait_for(noticed, what=f"a reaction to {change}")
        seconds = time.monotonic() - began
        if not acknowledged:
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert exporter.request("ops", "GET", "/-/ready").status == 503
            assert exporter.wait() == 1
            last = exporter.log.strip().splitlines()[-1]
            assert str(exporter.data_dir) in last, last
            assert "restart to read" in last, last
        return acknowledged, seconds, time.monotonic() - began


def _replaced(folder: Path, quick: bool, mutant: str = "") -> str:
    changes = [(change, idle) for change in _CHANGES for idle in (False, True)]
    if quick:
        changes = [
            *(("data_dir deleted", False), ("data_dir replaced", True)),
            ("ledger.lock deleted", True),
        ]
    acknowledged, seconds, ends = zip(
        *(
            _change(folder / f"{number} {change} {idle}", change, idle, mutant)
            for number in range(1 if quick else 5)
            for change, idle in changes[: 1 if mutant else None]
        ),
        strict=True,
    )
    figure = (
        f"{len(ends)} changes: {sum(acknowledged)} × 200 after; noticed in {max(seconds):.2f} s, ended in "
        f"{max(ends):.2f} s"
    )
    return reached(figure, not any(acknowledged) and (quick or max(seconds) <= 1))


_UNCHECKED: Final = """
from exporter.ledger.files import OpenFiles
OpenFiles.check = lambda self: None
"""
REPLACED: Final = Row(
    28,
    "data_dir deleted, replaced, swapped",
    "503 within 1 s, exit",
    _replaced,
    [Mutant("comparison of the files", _UNCHECKED, f"{_MOST_POSTS + 1} × 200")],
)


# --- row 33: a first start that is killed --------------------------------------------------------

_SIGNALS: Final = (signal.SIGTERM, signal.SIGKILL)
_WITHIN: Final = 0.1
"""Seconds after the first file exists in which the exporter is killed."""


@dataclass
class Kills:
    """Of `kills`: those that left no ledger, and those whose next start found damage or left other files."""

    kills: int = 0
    unfinished: int = 0
    damaged: int = 0
    leftovers: int = 0

    def add(self, data: Path, damaged: Callable[[], bool]) -> None:
        self.kills += 1
        self.unfinished += not (data / "ledger.db").exists()
        self.damaged += damaged()
        self.leftovers += any(
            ".new" in path.name or ".damaged-" in path.name for path in data.iterdir()
        )


def _wait_for_lock(data: Path) -> None:
    """Return at once when the first file is there: a creation takes a few milliseconds."""
    lock, deadline = str(data / "ledger.lock"), time.monotonic() + 30
    while not os.path.exists(lock):
        assert time.monotonic() < deadline, "no lock file within 30 s"
        time.sleep(0.0002)


def _kill_creations(folder: Path, count: int) -> Kills:
    """Kill forked processes that create a ledger and do nothing else: every kill hits the creation."""
    rng, kills = random.Random("first starts"), Kills()
    began = time.monotonic()
    open_ledger(Plan(folder / "timed")).close()
    within = time.monotonic() - began
    for number in range(count):
        data = folder / str(number)
        pid = os.fork()
        if not pid:
            open_ledger(Plan(data))
            time.sleep(60)
            os._exit(0)
        _wait_for_lock(data)
        time.sleep(rng.uniform(0, within))  # a random point of the creation
        os.kill(pid, rng.choice(_SIGNALS))
        os.waitpid(pid, 0)

        def damaged(data: Path = data) -> bool:
            opened = open_ledger(Plan(data))
            opened.close()
            return opened.moved_to is not None

        kills.add(data, damaged)
    return kills


def _kill_first_starts(folder: Path, count: int) -> Kills:
    """Kill exporters within `_WITHIN` of the start of the creation, and start them again."""
    rng, kills = random.Random("first starts"), Kills()
    for number in range(count):
        exporter = ExporterProcess(folder / str(number) / "data")
        with contextlib.ExitStack() as stack:
            stack.callback(exporter.kill)
            process = exporter.launch()
            _wait_for_lock(exporter.data_dir)
            time.sleep(rng.uniform(0, _WITHIN))  # a random point of the start
            process.send_signal(_SIGNALS[number % 2])
            exporter.wait()

            def damaged(exporter: ExporterProcess = exporter) -> bool:
                exporter.start()
                ready = exporter.request("ops", "GET", "/-/ready").status == 200
                reply = exporter.post({"id": "a", "system": "softdrive"}).json
                return not ready or reply["accepted"] != 1

            kills.add(exporter.data_dir, damaged)
    return kills


def _create_in_place(path: Path, meta: Meta) -> None:
    store = Store(path)
    store.create(meta)
    store.close()


def _first_start(folder: Path, quick: bool, mutant: str = "") -> str:
    starts, creations = (2, 60) if quick else (200, 2000)
    if mutant:
        starts, creations = 0, 100
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.files", str(folder / "creations")),
            *(str(creations), *mutant.split()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = {
        "first starts": _kill_first_starts(folder / "starts", starts),
        "creations": Kills(**json.loads(done.stdout.splitlines()[-1])),
    }
    figure = "; ".join(
        f"{kills.kills} {kind}, {kills.unfinished} unfinished, {kills.damaged} damaged, "
        f"{kills.leftovers} with leftovers"
        for kind, kills in results.items()
    )
    assert mutant or results["creations"].unfinished, "no kill hit a creation"
    return reached(figure, not any(each.damaged or each.leftovers for each in results.values()))


FIRST_START: Final = Row(
    33,
    "first start killed",
    "200 times, next start clean",
    _first_start,
    # The code of this mutant is an option of this module.
    [Mutant("creation under another name", "--in-place", "100 creations.* [1-9][0-9]* damaged")],
)


if __name__ == "__main__":
    if "--in-place" in sys.argv:
        recovery.create = _create_in_place  # type: ignore[attr-defined]
    print(json.dumps(dataclasses.asdict(_kill_creations(Path(sys.argv[1]), int(sys.argv[2])))))
