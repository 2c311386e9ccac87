"""Row 8 of the fault table: every event is sent ten times, over fifty connections at the same time."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Row, reached

COPIES: Final = 10
CONNECTIONS: Final = 50
BATCH: Final = 100
"""Events in a request: few, so that copies of a request meet in one commit of the ledger."""
_CODES: Final = (1000, 1006, 4001, 4005)


@dataclass
class Storm:
    """Events by what the answers say, `counted` and `repeated` by what /metrics shows at the end."""

    accepted: int = 0
    duplicates: int = 0
    retries: int = 0
    counted: int = 0
    repeated: int = 0
    seconds: float = 0.0

    def exact(self, ids: int) -> bool:
        """Each id counted once, and every other copy of it called a duplicate."""
        once, others = ids, ids * (COPIES - 1)
        return (self.accepted, self.duplicates) == (self.counted, self.repeated) == (once, others)


def storm(exporter: ExporterProcess, ids: int) -> Storm:
    """Send `ids` events ten times each; a request that is answered 503 is sent again."""
    found = Storm()
    bodies = _bodies(ids)
    lock = threading.Lock()
    problems: list[BaseException] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", exporter.ports["ingest"], timeout=120)
        try:
            while True:
                with lock:
                    body = next(bodies, None)
                if body is None or problems:
                    break
                reply, retries = _until_answered(connection, body)
                with lock:
                    found.accepted += reply["accepted"]
                    found.duplicates += reply["duplicates"]
                    found.retries += retries
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    began = time.monotonic()
    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    found.seconds = time.monotonic() - began
    if problems:
        raise problems[0]
    found.counted = int(exporter.total(names.SESSION_ENDS))
    found.repeated = int(exporter.total(names.DUPLICATE_EVENTS))
    return found


def _bodies(ids: int) -> Iterator[bytes]:
    """The copies of a request leave one after the other, so that they are in flight together."""
    for first in range(0, ids, BATCH):
        events = [
            {"id": f"storm-{number}", "system": "streampixel", "code": _CODES[number % 4]}
            for number in range(first, min(ids, first + BATCH))
        ]
        yield from [json.dumps(events).encode()] * COPIES


def _until_answered(
    connection: http.client.HTTPConnection, body: bytes
) -> tuple[dict[str, int], int]:
    """The answer's JSON, and how often the request was sent again for a 503."""
    retries = 0
    while True:
        connection.request("POST", "/v1/session-ends", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status == 200:
            return json.loads(answer), retries
        assert response.status == 503, (response.status, answer)
        retries += 1
        time.sleep(0.1)  # less than Retry-After says: a storm does not listen


def _run(folder: Path, quick: bool) -> str:
    ids = 10_000 if quick else 1_000_000
    with ExporterProcess(folder / "data") as exporter:
        found = storm(exporter, ids)
    figure = (
        f"{ids:,} ids × {COPIES}: {found.accepted:,} accepted, {found.duplicates:,} duplicates, "
        f"{found.counted:,} counted; {found.retries} retries of 503; "
        f"{ids * COPIES / found.seconds:,.0f} events/s"
    )
    return reached(figure, found.exact(ids))


ROW: Final = Row(8, "retry storm, 50 connections", "1 M ids × 10, duplicates exact", _run)
