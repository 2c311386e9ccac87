"""Rows 2 and 8 of the fault table: an answer comes after the sync of its events, and counts duplicates."""

import http.client
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import ends, post
from tests.faults.table import Mutant, patched, reached, row

# --- row 2: what reached the disk before each answer, as strace shows it -----------------------------

_CALLS: Final = "fdatasync,write,writev,sendto,sendmsg"
_SYNC: Final = re.compile(r"(\d+) +fdatasync\(\d+<[^>]*ledger\.db-wal>")
_DONE: Final = re.compile(r"(\d+) .*fdatasync.* = 0$")
_UNSYNCED: Final = """
from exporter.ledger import store
opened = store._open
def _open(path):
    connection = opened(path)
    connection.execute("PRAGMA synchronous=OFF").fetchall()
    return connection
store._open = _open
"""


def _count(trace: str) -> tuple[int, int]:
    """The answers 200 in a trace, and those without a sync of the WAL since the answer before."""
    syncing, synced = "", False
    answers = unsynced = 0
    for line in trace.splitlines():
        if sync := _SYNC.match(line):
            syncing = sync[1]
        # Another thread's call may cut the line of a call in two: its begin, and its result.
        if (done := _DONE.match(line)) and done[1] == syncing:
            syncing, synced = "", True
        # An answer counts from the moment it starts to leave.
        if "HTTP/1.1 200 OK" in line:
            answers += 1
            unsynced += not synced
            synced = False
    return answers, unsynced


@row(
    2,
    "acknowledge only after fsync",
    "0 of 500 before it",
    Mutant("sync", _UNSYNCED, "^10 ack.*, 10 before"),
)
def order(folder: Path, quick: bool, mutant: str = "") -> str:
    events = 10 if quick else 500
    trace = folder / "trace"
    wrapper = ("strace", "-f", "-y", "-e", f"trace={_CALLS}", "-s", "64", "-o", str(trace))
    with ExporterProcess(folder / "data", wrapper=wrapper, mutant=mutant) as exporter:
        for number in range(events):
            reply = exporter.post({"id": str(number), "system": "softdrive", "code": "01"})
            assert reply.status == 200
        exporter.stop_traced()
    answers, unsynced = _count(trace.read_text(errors="replace"))
    figure = f"{answers} acknowledgements, {unsynced} before their fdatasync"
    return reached(figure, (answers, unsynced) == (events, 0))


# --- row 8: every event is sent ten times, over fifty connections at the same time ---------------------

_COPIES: Final = 10
_CONNECTIONS: Final = 50
_BATCH: Final = 100
"""Events in a request: few, so that copies of a request meet in one commit of the ledger."""


def _bodies(ids: int) -> Iterator[bytes]:
    """Bodies in which the copies of a request follow each other, so that they are in flight together."""
    for first in range(0, ids, _BATCH):
        yield from [json.dumps(ends("storm", first, _BATCH)).encode()] * _COPIES


def _post(connection: http.client.HTTPConnection, body: bytes) -> Counter[str]:
    """The answer's counts. A request that is answered 503 is sent again."""
    for retries in range(10_000):
        status, answer = post(connection, body)
        if status == 200:
            reply = json.loads(answer)
            return Counter(
                accepted=reply["accepted"], duplicates=reply["duplicates"], retries=retries
            )
        assert status == 503, (status, answer)
        time.sleep(0.1)  # less than Retry-After: a storm does not respect it
    raise AssertionError("still 503 after 10,000 retries")


_WITHOUT_WINDOW: Final = patched(
    "exporter.ledger.window.Window.find", 'lambda self, keys: 0 * keys[:, 0].astype("int64")'
) + patched("exporter.ledger.window.Window.fingerprint_of", "lambda *_: None")
_WITHOUT_REPEATS: Final = patched("exporter.ledger.group.has_repeats", "lambda keys: False")


@row(
    8,
    "retry storm, 50 connections",
    "1 M ids × 10, duplicates exact",
    Mutant("duplicates of earlier commits", _WITHOUT_WINDOW, "^5,000 ids"),
    Mutant("duplicates within a commit", _WITHOUT_REPEATS, "^5,000 ids"),
)
def retry_storm(folder: Path, quick: bool, mutant: str = "") -> str:
    ids = 5000 if quick else 1_000_000
    bodies, lock = _bodies(ids), threading.Lock()
    with (
        ExporterProcess(folder / "data", mutant=mutant) as exporter,
        ThreadPoolExecutor(_CONNECTIONS) as pool,
    ):
        port = exporter.ports["ingest"]

        def send(_: int) -> Counter[str]:
            answers: Counter[str] = Counter()
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
                while True:
                    with lock:
                        body = next(bodies, None)
                    if body is None:
                        return answers
                    answers.update(_post(connection, body))

        began = time.monotonic()
        answers = sum(pool.map(send, range(_CONNECTIONS)), Counter[str]())
        seconds = time.monotonic() - began
        counted = int(exporter.total(names.SESSION_ENDS))
        repeated = int(exporter.total(names.DUPLICATE_EVENTS))
    accepted, duplicates = answers["accepted"], answers["duplicates"]
    figure = (
        f"{ids:,} ids × {_COPIES}: {accepted:,} accepted, {duplicates:,} duplicates, {counted:,} counted; "
        f"{answers['retries']} retries of 503; {ids * _COPIES / seconds:,.0f} events/s"
    )
    exact = (ids, ids * (_COPIES - 1))
    return reached(figure, (accepted, duplicates) == (counted, repeated) == exact)
