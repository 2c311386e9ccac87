"""Row 2 of the fault table: strace shows what reached the disk before each answer."""

import re
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Mutant, reached, row

_CALLS: Final = "openat,close,fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
_OPENED: Final = re.compile(r'openat\(.*"([^"]*ledger\.db-wal)".*= (\d+)')
_SYNCED: Final = re.compile(r"(?:fdatasync|fsync)\((\d+)\)?.*= 0")
_ANSWERED: Final = re.compile(r"(?:write|writev|sendto|sendmsg)\(.*HTTP/1\.1 200 OK")
_LINE: Final = re.compile(r"^(\d+)\s+(.*)$")
PRAGMA: Final = """
from exporter.ledger import store
opened = store._open
def _open(path):
    connection = opened(path)
    connection.execute("PRAGMA {}").fetchall()
    return connection
store._open = _open
"""
"""A mutant whose SQLite connection has this setting."""


def _count(trace: str) -> tuple[int, int]:
    """The answers 200 in a trace, and those without a sync of the WAL since the answer before."""
    wal: set[str] = set()
    pending: dict[str, str] = {}
    synced = False
    answers = unsynced = 0
    for match in filter(None, map(_LINE.match, trace.splitlines())):
        thread, call = match.groups()
        if call.endswith("<unfinished ...>"):
            pending[thread] = call.removesuffix("<unfinished ...>")
            # An answer counts from the moment it starts to leave.
            if not _ANSWERED.search(call):
                continue
            pending[thread] = ""
        elif call.startswith("<..."):
            call = pending.pop(thread, "") + call.partition("resumed>")[2]
        if opened := _OPENED.search(call):
            wal.add(opened[2])
        elif (sync := _SYNCED.search(call)) and sync[1] in wal:
            synced = True
        elif _ANSWERED.search(call):
            answers += 1
            unsynced += not synced
            synced = False
    return answers, unsynced


@row(
    2,
    "acknowledge only after fsync",
    "0 of 500 before it",
    Mutant("sync", PRAGMA.format("synchronous=OFF"), "^10 ack.*, 10 before"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    events = 10 if quick else 500
    trace = folder / "trace"
    wrapper = ("strace", "-f", "-e", f"trace={_CALLS}", "-s", "64", "-o", str(trace))
    with ExporterProcess(folder / "data", wrapper=wrapper, mutant=mutant) as exporter:
        for number in range(events):
            reply = exporter.post({"id": str(number), "system": "softdrive", "code": "01"})
            assert reply.status == 200
        exporter.stop_traced()
    answers, unsynced = _count(trace.read_text(errors="replace"))
    figure = f"{answers} acknowledgements, {unsynced} before their fdatasync"
    return reached(figure, (answers, unsynced) == (events, 0))
