"""Row 33 of the fault table: the process is killed while it creates its ledger.

`python -m tests.faults.first_start FOLDER KILLS [--in-place]` forks a process for each of KILLS ledgers,
kills it at a random moment, opens the ledger and prints an `Outcome` as JSON. `--in-place` is the mutant that
creates the file under its name.
"""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.ledger import recovery
from exporter.ledger.recovery import Plan, open_ledger
from exporter.ledger.store import Meta, Store
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.faults.table import Row, reached

SIGNALS = (signal.SIGTERM, signal.SIGKILL)
WITHIN = 0.1
"""Seconds after the first file is there in which the exporter is killed."""


@dataclass
class Outcome:
    """Of that many `kills`: those `unfinished`, which left no ledger, and those whose next start found the
    ledger `damaged` or left `leftovers`."""

    kills: int = 0
    unfinished: int = 0
    damaged: int = 0
    leftovers: int = 0


def kill_creations(folder: Path, kills: int, *, in_place: bool = False) -> Outcome:
    """Kill processes that create a ledger and do nothing else: each kill hits the creation."""
    options = ["--in-place"] if in_place else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.first_start", str(folder), str(kills), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _kill_creations(folder: Path, kills: int) -> Outcome:
    chance, outcome = random.Random("first starts"), Outcome()
    began = time.monotonic()
    open_ledger(Plan(folder / "timed")).close()
    within = time.monotonic() - began
    for number in range(kills):
        data = folder / str(number)
        pid = os.fork()
        if not pid:
            open_ledger(Plan(data))
            time.sleep(60)
            os._exit(0)
        _wait_for_lock(data)
        time.sleep(chance.uniform(0, within))  # when in its work the process is hit is random
        os.kill(pid, chance.choice(SIGNALS))
        os.waitpid(pid, 0)
        outcome.kills += 1
        outcome.unfinished += not (data / "ledger.db").exists()
        opened = open_ledger(Plan(data))
        outcome.damaged += opened.moved_to is not None
        opened.close()
        outcome.leftovers += _leftovers(data)
    return outcome


def kill_first_starts(folder: Path, kills: int) -> Outcome:
    """Kill an exporter within `WITHIN` of the moment when it begins to create its ledger; start it again."""
    chance, outcome = random.Random("first starts"), Outcome()
    for number in range(kills):
        place = folder / str(number)
        place.mkdir()
        exporter = ExporterProcess(place / "data")
        with contextlib.ExitStack() as undo:
            undo.callback(exporter.kill)
            process = exporter.launch()
            _wait_for_lock(exporter.data_dir)
            time.sleep(chance.uniform(0, WITHIN))  # when in its work the process is hit is random
            process.send_signal(SIGNALS[number % 2])
            exporter.wait()
            outcome.kills += 1
            outcome.unfinished += not (exporter.data_dir / "ledger.db").exists()
            exporter.start()
            ready = exporter.request("ops", "GET", "/-/ready").status == 200
            posted = exporter.post({"id": "a", "system": "softdrive"}).json
            outcome.damaged += not ready or posted["accepted"] != 1
            outcome.leftovers += _leftovers(exporter.data_dir)
    return outcome


def _wait_for_lock(data: Path) -> None:
    """Return at once when the first file is there: a creation takes a few milliseconds."""
    lock, deadline = str(data / "ledger.lock"), time.monotonic() + 30
    while not os.path.exists(lock):
        assert time.monotonic() < deadline, "no lock file within 30 s"
        time.sleep(0.0002)


def _leftovers(data: Path) -> bool:
    return any(".new" in path.name or ".damaged-" in path.name for path in data.iterdir())


def _create_in_place(path: Path, meta: Meta) -> None:
    store = Store(path)
    store.create(meta)
    store.close()


def _campaign(folder: Path, quick: bool) -> str:
    found = []
    campaigns: tuple[Callable[[Path, int], Outcome], ...] = (kill_first_starts, kill_creations)
    for number, (campaign, kills) in enumerate(
        zip(campaigns, (3, 40) if quick else (200, 2000), strict=True)
    ):
        (folder / str(number)).mkdir()
        found.append(campaign(folder / str(number), kills))
    figure = "; ".join(
        f"{each.kills} {what}, {each.unfinished} unfinished, {each.damaged} damaged, "
        f"{each.leftovers} with leftovers"
        for each, what in zip(found, ("first starts", "creations"), strict=True)
    )
    return reached(figure, not any(each.damaged or each.leftovers for each in found))


ROW = Row(33, "first start killed", "200 times, next start clean", _campaign)


if __name__ == "__main__":
    if "--in-place" in sys.argv:
        recovery.create = _create_in_place  # type: ignore[attr-defined]
    print(json.dumps(dataclasses.asdict(_kill_creations(Path(sys.argv[1]), int(sys.argv[2])))))
