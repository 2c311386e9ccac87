"""Row 28 of the fault table: the ledger's files are deleted or replaced while the exporter runs."""

import contextlib
import http.client
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Row, reached

UNCHECKED = """
from exporter.ledger.files import OpenFiles
OpenFiles.check = lambda self: None
"""
"""The mutant that does not compare the files."""


def delete(data: Path) -> None:
    shutil.rmtree(data)


def replace(data: Path) -> None:
    data.rename(data.with_name("moved"))
    shutil.copytree(data.with_name("moved"), data)


def _swap(name: str) -> Callable[[Path], None]:
    def swap(data: Path) -> None:
        shutil.copy(data / name, data / "copy")
        (data / "copy").replace(data / name)

    return swap


def _unlink(name: str) -> Callable[[Path], None]:
    return lambda data: (data / name).unlink()


CHANGES = {
    "data_dir deleted": delete,
    "data_dir replaced": replace,
    "ledger.db swapped": _swap("ledger.db"),
    "ledger.db deleted": _unlink("ledger.db"),
    "ledger.db-wal deleted": _unlink("ledger.db-wal"),
    "ledger.lock deleted": _unlink("ledger.lock"),
}


@dataclass(frozen=True)
class Noticed:
    """`acknowledged` posts after the change, `seconds` from the change until nothing was accepted or the
    exporter was not ready, `ended` until the process had ended, and its exit `code` and last line."""

    acknowledged: int
    seconds: float
    ended: float
    code: int
    last: str


def change(folder: Path, what: str, *, idle: bool, mutant: str = "") -> Noticed:
    """Change the files of an exporter that gets events, or of one that is idle."""
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        assert exporter.post({"id": "before", "system": "softdrive"}).status == 200
        # The pages' import, which begins a second after the start, would be measured along.
        exporter.metrics()
        CHANGES[what](exporter.data_dir)
        began = time.monotonic()
        statuses: list[int] = []

        def noticed() -> bool:
            try:
                if not idle:
                    reply = exporter.post({"id": str(len(statuses)), "system": "softdrive"})
                    statuses.append(reply.status)
                    return reply.status == 503 or len(statuses) > 50
                return exporter.request("ops", "GET", "/-/ready").status == 503
            except (OSError, http.client.HTTPException):
                return True

        wait_for(noticed, what=f"{what} is noticed")
        seconds = time.monotonic() - began
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert exporter.request("ops", "GET", "/-/ready").status == 503
        code = exporter.wait()
        ended = time.monotonic() - began
        return Noticed(
            statuses.count(200), seconds, ended, code, exporter.log.strip().splitlines()[-1]
        )


def _campaign(folder: Path, quick: bool) -> str:
    found = []
    for number in range(1 if quick else 5):
        for what in CHANGES:
            for idle in (False, True):
                place = folder / f"{number} {what} {idle}"
                place.mkdir()
                found.append(change(place, what, idle=idle))
    figure = (
        f"{len(found)} changes: {sum(each.acknowledged for each in found)} × 200 after; noticed in "
        f"{max(each.seconds for each in found):.2f} s, ended in {max(each.ended for each in found):.2f} s"
    )
    return reached(
        figure,
        all(
            each.code == 1 and not each.acknowledged and (quick or each.seconds <= 1)
            for each in found
        ),
    )


ROW = Row(28, "data_dir deleted, replaced, swapped", "503 within 1 s, exit", _campaign)
