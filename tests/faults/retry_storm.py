"""Row 8 of the fault table: every event is sent ten times, over fifty connections at the same time."""

import http.client
import json
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

COPIES: Final = 10
CONNECTIONS: Final = 50
BATCH: Final = 100
"""Events in a request: few, so that copies of a request meet in one commit of the ledger."""


def _bodies(ids: int) -> Iterator[bytes]:
    """Bodies in which the copies of a request follow each other, so that they are in flight together."""
    for first in range(0, ids, BATCH):
        yield from [json.dumps(ends("storm", first, BATCH)).encode()] * COPIES


def _post(connection: http.client.HTTPConnection, body: bytes) -> Counter[str]:
    """The answer's counts. A request that is answered 503 is sent again."""
    for retries in range(10_000):
        status, answer = post(connection, body)
        if status == 200:
            reply = json.loads(answer)
            counts = {name: reply[name] for name in ("accepted", "duplicates")}
            return Counter({**counts, "retries": retries})
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
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    ids = 5000 if quick else 1_000_000
    bodies, lock = _bodies(ids), threading.Lock()
    with (
        ExporterProcess(folder / "data", mutant=mutant) as exporter,
        ThreadPoolExecutor(CONNECTIONS) as pool,
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
        answers = sum(pool.map(send, range(CONNECTIONS)), Counter[str]())
        seconds = time.monotonic() - began
        counted = int(exporter.total(names.SESSION_ENDS))
        repeated = int(exporter.total(names.DUPLICATE_EVENTS))
    accepted, duplicates = answers["accepted"], answers["duplicates"]
    figure = (
        f"{ids:,} ids × {COPIES}: {accepted:,} accepted, {duplicates:,} duplicates, {counted:,} counted; "
        f"{answers['retries']} retries of 503; {ids * COPIES / seconds:,.0f} events/s"
    )
    exact = (ids, ids * (COPIES - 1))
    return reached(figure, (accepted, duplicates) == (counted, repeated) == exact)
