"""Senders that follow the contract: every event has an id, and is sent until it is acknowledged."""

import bisect
import http.client
import json
import operator
import random
import socket
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any, Self

from exporter.names import INGEST_PATH
from tests.e2e.exporter_process import ExporterProcess, wait_for

CODES = (4001, 1000, 1006, 4005)
POST_HEAD = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def ends(prefix: str, first: int, count: int) -> list[dict[str, Any]]:
    """Numbered ends of Streampixel's sessions, with four codes in turn."""
    return [
        {"id": f"{prefix}-{number}", "system": "streampixel", "code": CODES[number % len(CODES)]}
        for number in range(first, first + count)
    ]


def post(
    connection: http.client.HTTPConnection, body: str | bytes, **headers: str
) -> tuple[int, bytes]:
    """Status and body of the answer to a request."""
    headers = {"Content-Type": "application/json", **headers}
    connection.request("POST", INGEST_PATH, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client


class Sender(threading.Thread):
    """Posts batches over one connection until `finishing` is set; sends a fifth of the batches twice on
    purpose.

    A request goes to the next of `exporters`, and so does its retry. `sent` counts the events that left this
    process, `acknowledged` those that a 200 named accepted or duplicate.
    """

    def __init__(self, number: int, exporters: Sequence[ExporterProcess], batch: int) -> None:
        super().__init__(name=f"sender-{number}", daemon=True)
        self._exporters = cycle(exporters)
        self._random = random.Random(number)
        self._batch = batch
        self._connection = http.client.HTTPConnection("127.0.0.1", timeout=10)
        self.finishing, self.abandoned = threading.Event(), threading.Event()
        self.acknowledged = self.sent = self.retries = 0
        self._acknowledged_at: list[tuple[float, int]] = []
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.finishing.is_set():
            count = self._random.randint(1, self._batch)
            body = json.dumps(ends(self.name, self.sent, count))
            self.sent += count
            self._until_acknowledged(body, count)
            self.acknowledged += count
            self._acknowledged_at.append((time.time(), self.acknowledged))
            if self._random.random() < 0.2:
                self._until_acknowledged(body, count)
        self._connection.close()

    def acknowledged_until(self, instant: float) -> int:
        """The events that were acknowledged at `instant`, Unix time."""
        after = bisect.bisect(self._acknowledged_at, instant, key=operator.itemgetter(0))
        return self._acknowledged_at[after - 1][1] if after else 0

    def _until_acknowledged(self, body: str, events: int) -> None:
        while not self.abandoned.is_set():
            status, reply = self._post(body)
            if status == 200:
                if reply["accepted"] + reply["duplicates"] != events:
                    self.problems.append(f"{events} events were answered {reply}")
                return
            if status not in (0, 503):
                self.problems.append(f"answered {status}: {reply}")
                return
            self.retries += 1
            self.abandoned.wait(0.01)

    def _post(self, body: str) -> tuple[int, dict[str, int]]:
        """Status and JSON; status 0 when no answer came."""
        # A restarted exporter has another port.
        port = next(self._exporters).ports.get("ingest")
        if port is None:
            return 0, {}
        if self._connection.port != port:
            self._connection.close()
            self._connection.port = port
        try:
            status, reply = post(self._connection, body)
            return status, json.loads(reply)
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return 0, {}


class Load:
    """`count` senders to exporters that may restart, while the `with` block runs.

    The end of the block waits until every event is acknowledged, so an exporter must be up then.
    """

    def __init__(
        self, exporters: Sequence[ExporterProcess], count: int = 4, batch: int = 20
    ) -> None:
        self.senders = [Sender(number, exporters, batch) for number in range(count)]
        self._random = random.Random(1)

    def __enter__(self) -> Self:
        for sender in self.senders:
            sender.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        for sender in self.senders:
            sender.finishing.set()
            if error:
                # Senders of a failed row would post to a later test that has the same port.
                sender.abandoned.set()
        for sender in self.senders:
            sender.join(60)
            sender.abandoned.set()
            assert error or not sender.is_alive(), f"{sender.name} has unacknowledged events"
        problems = [problem for sender in self.senders for problem in sender.problems]
        assert error or not problems, problems[:3]

    def wait_for_acknowledged(self, events: int) -> None:
        """Wait until this number of further events is acknowledged."""
        goal = self.acknowledged + events
        wait_for(lambda: self.acknowledged >= goal, what="acknowledged events")

    def wait_for_random_point(self, events: int = 1) -> None:
        """Wait for acknowledged events, then until a random point in the work of exporter and ledger."""
        self.wait_for_acknowledged(events)
        time.sleep(self._random.uniform(0.0, 0.15))

    @property
    def acknowledged(self) -> int:
        return sum(sender.acknowledged for sender in self.senders)

    @property
    def sent(self) -> int:
        return sum(sender.sent for sender in self.senders)

    @property
    def retries(self) -> int:
        return sum(sender.retries for sender in self.senders)
