"""Row 41 of the fault table: backups while events arrive, and their restoration elsewhere."""

import shutil
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, mutated
from tests.faults.senders import Load, Sender, ends
from tests.faults.table import Missed, Mutant, patched, reached, row
from tests.programs import finished

_BATCH: Final = 40
"""The maximum number of events per request, with which four senders reach 5,000 events/s."""
_SLOW: Final = "\nimport time" + patched(
    "exporter.ledger.backup.copyfile",
    "lambda source, target: (original(source, target), time.sleep(0.3))",
)
"""Copying each file takes as long as for a large ledger, so checkpoints become due during a copy."""
_OFTEN: Final = patched("exporter.ledger.writer.CHECKPOINT_PAGES", "50")
"""Checkpoints are so frequent that several would happen during each copy."""
_WITHOUT_WAL: Final = """
from exporter.ledger import backup, writer
writer.CHECKPOINT_PAGES = 10_000
backup._header = lambda wal: b""
backup.read_marker = lambda marker: 0
"""
"""Also without the comparison with the commit marker. Without checkpoints, the WAL has all events."""
_WITHOUT_LOCK: Final = """
from contextlib import nullcontext
from exporter.ledger import backup, files
files.Claim.unpaused = lambda claim: nullcontext()
backup._state = lambda path: (0, 0, 0)
backup.header, backup._header = backup._header, lambda wal: backup.header(wal)[:12]
"""
"""Without the lock and the comparisons that would notice its absence, so that every backup succeeds."""

_LATE: Final = "\nimport time" + patched(
    "exporter.ledger.backup._copy", "lambda *files: (original(*files)[1], time.time())[::-1]"
)
"""The printed time is the end of the copy instead of its beginning."""


def _back_up(exporter: ExporterProcess, folder: Path, mutant: str) -> tuple[Path, float]:
    """Make a backup with the command. Returns its file, and the time until which it has all events."""
    command = (*mutated(mutant + _SLOW), "backup", folder, "--data-dir", exporter.data_dir)
    done = finished(*command, cwd=ROOT)
    if done.returncode:
        raise Missed(f"backup failed: {done.stderr.strip()}")
    file, _, until = done.stdout.strip().partition(": ")
    return Path(file), datetime.fromisoformat(until.rpartition(" ")[2]).timestamp()


def _post(exporter: ExporterProcess, senders: list[Sender], counts: list[int]) -> Counter[str]:
    """Post the first `counts` events of each sender again, and return the sums of the answers."""
    sums = Counter[str]()
    for sender, count in zip(senders, counts, strict=True):
        for first in range(0, count, 1000):
            reply = exporter.post(ends(sender.name, first, min(1000, count - first)))
            if reply.status != 200:
                raise Missed(f"a retry was answered {reply.status}")
            sums.update({name: reply.json[name] for name in ("accepted", "duplicates")})
    return sums


def _restore(file: Path, folder: Path, load: Load, before: list[int]) -> None:
    """Restore a backup and post all events again. `before`: how many events of each sender it must
    contain."""
    (folder / "data").mkdir(parents=True)
    shutil.copy(file, folder / "data" / "ledger.db")
    sent = [sender.sent for sender in load.senders]
    with ExporterProcess(folder / "data") as exporter:
        if not exporter.ready():
            raise Missed("the restored ledger is damaged")
        counted = int(exporter.total(names.SESSION_ENDS))
        ids = int(exporter.total(names.WINDOW_IDS))
        if counted != ids:
            raise Missed(f"restored {counted} ends with {ids} ids")
        missing = _post(exporter, load.senders, before)["accepted"]
        if missing:
            raise Missed(f"{missing} of {sum(before)} acknowledged events missing")
        again = _post(exporter, load.senders, sent)["duplicates"]
        total = int(exporter.total(names.SESSION_ENDS))
        if (again, total) != (counted, sum(sent)):
            raise Missed(f"{counted} restored, {again} duplicates, {total} of {sum(sent)} counted")


@row(
    41,
    "backup under load",
    "20 backups, each restored exactly",
    Mutant("copy of the WAL", _WITHOUT_WAL, "acknowledged events missing"),
    Mutant("time of the copy", _LATE, "acknowledged events missing"),
    Mutant("no checkpoint during the copy", _WITHOUT_LOCK, "damaged|missing|ends with|restored"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Four senders post; each backup is restored on another exporter, where all events are sent again."""
    backups = []
    with (
        ExporterProcess(folder / "data", mutant=_OFTEN + mutant) as exporter,
        Load([exporter], batch=_BATCH) as load,
    ):
        began = time.monotonic()
        # These mutants fail at the first backup.
        once = mutant in (_WITHOUT_WAL, _LATE)
        for number in range(1 if once else 2 if quick else 20):
            load.wait_for_acknowledged(2000)
            place = folder / f"backup-{number}"
            place.mkdir()
            began_backup = time.time()
            file, until = _back_up(exporter, place, mutant)
            if not began_backup < until < time.time():
                raise Missed(f"a backup named {until}, which is no time while it was made")
            before = [sender.acknowledged_until(until) for sender in load.senders]
            backups.append((file, before))
        rate = load.acknowledged / (time.monotonic() - began)
    for number, (file, before) in enumerate(backups):
        _restore(file, folder / f"restored-{number}", load, before)
    return reached(
        f"{len(backups)} backups at {rate:,.0f} events/s, each restored exactly, 0 lost or doubled",
        True,
    )
