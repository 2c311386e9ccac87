"""Row 2 of the fault table: strace shows what reached the disk before each answer."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Row, reached

_CALLS = "openat,close,fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
_OPENED = re.compile(r'openat\(.*"([^"]*ledger\.db-wal)".*= (\d+)')
_SYNCED = re.compile(r"(?:fdatasync|fsync)\((\d+)\)?.*= 0")
_ANSWERED = re.compile(r"(?:write|writev|sendto|sendmsg)\(.*HTTP/1\.1 200 OK")
_LINE = re.compile(r"^(\d+)\s+(.*)$")


@dataclass(frozen=True)
class Order:
    """How many 200s went out, and how many of them had no fsync of the WAL since the one before."""

    answers: int
    unsynced: int


def observe(folder: Path, events: int, mutant: str = "") -> Order:
    """Post `events` one after the other and hold each answer against the syncs before it."""
    trace = folder / "trace"
    wrapper = ("strace", "-f", "-e", f"trace={_CALLS}", "-s", "64", "-o", str(trace))
    with ExporterProcess(folder / "data", wrapper=wrapper, mutant=mutant) as exporter:
        for number in range(events):
            reply = exporter.post({"id": str(number), "system": "softdrive", "code": "01"})
            assert reply.status == 200
        exporter.stop_traced()
    return _read(trace.read_text(errors="replace"))


def _read(trace: str) -> Order:
    wal: set[str] = set()
    pending: dict[str, str] = {}
    synced = False
    answers = unsynced = 0
    for raw in trace.splitlines():
        found = _LINE.match(raw)
        if not found:
            continue
        thread, call = found.groups()
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
        elif (done := _SYNCED.search(call)) and done[1] in wal:
            synced = True
        elif _ANSWERED.search(call):
            answers += 1
            unsynced += not synced
            synced = False
    return Order(answers, unsynced)


def _run(folder: Path, quick: bool) -> str:
    events = 10 if quick else 500
    order = observe(folder, events)
    figure = f"{order.answers} acknowledgements, {order.unsynced} before their fdatasync"
    return reached(figure, (order.answers, order.unsynced) == (events, 0))


ROW: Final = Row(2, "acknowledge only after fsync", "0 of 500 before it", _run)
