"""Senders that follow the contract: every event has an id, and is sent until it is acknowledged."""

import bisect
import http.client
import json
import operator
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from exporter.names import INGEST_PATH
from tests.e2e.exporter_process import wait_for

HEADERS = {"Content-Type": "application/json"}
CODES = (4001, 1000, 1006, 4005)
POST_HEAD = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def ends(prefix: str, first: int, count: int) -> list[dict[str, Any]]:
    """Numbered ends of Streampixel's sessions, with four codes in turn."""
    return [
        {"id": f"{prefix}-{number}", "system": "streampixel", "code": CODES[number % len(CODES)]}
        for number in range(first, first + count)
    ]


def post(connection: http.client.HTTPConnection, body: str | bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a request."""
    connection.request("POST", INGEST_PATH, body, HEADERS)
    response = connection.getresponse()
    return response.status, response.read()


@contextmanager
def connect(port: int, receive_buffer: int = 0) -> Iterator[socket.socket]:
    with socket.socket() as client:
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        yield client


USER_EVENTS = 40
"""Successive events of one user; a batch has the events of two users at most."""


class Sender(threading.Thread):
    """Posts batches over one connection until `finishing` is set; sends a fifth of the batches twice on
    purpose.

    `port` is called for each connection, because a restarted exporter has another port. `sent` counts the
    events that left this process, `acknowledged` those that a 200 named accepted or duplicate.
    """

    def __init__(self, name: str, port: Callable[[], int | None], seed: int, batch: int) -> None:
        super().__init__(name=name, daemon=True)
        self.port = port
        self._random = random.Random(seed)
        self._batch = batch
        self._connection: http.client.HTTPConnection | None = None
        self.finishing, self.abandoned = threading.Event(), threading.Event()
        self.acknowledged = self.sent = self.retries = 0
        self._acknowledged_at: list[tuple[float, int]] = []
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.finishing.is_set():
            count = self._random.randint(1, self._batch)
            body = json.dumps([self.event(self.sent + index) for index in range(count)])
            self.sent += count
            self._until_acknowledged(body, count)
            self.acknowledged += count
            self._acknowledged_at.append((time.time(), self.acknowledged))
            if self._random.random() < 0.2:
                self._until_acknowledged(body, count)
        self._close()

    def acknowledged_until(self, instant: float) -> int:
        """The events that were acknowledged at `instant`, Unix time."""
        after = bisect.bisect(self._acknowledged_at, instant, key=operator.itemgetter(0))
        return self._acknowledged_at[after - 1][1] if after else 0

    def event(self, number: int) -> dict[str, object]:
        [event] = ends(self.name, number, 1)
        return event | {"user": f"{self.name}-{number // USER_EVENTS}"}

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
        port = self.port()
        if port is None:
            return 0, {}
        try:
            if self._connection is not None and self._connection.port != port:
                self._close()
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            status, reply = post(self._connection, body)
            return status, json.loads(reply)
        except (OSError, http.client.HTTPException, ValueError):
            self._close()
            return 0, {}

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection = None


def stop_senders() -> None:
    """Stop the senders that still run, without another retry."""
    senders = [thread for thread in threading.enumerate() if isinstance(thread, Sender)]
    for sender in senders:
        sender.finishing.set()
        sender.abandoned.set()
    for sender in senders:
        sender.join(30)


class Load:
    """`count` senders to an exporter that may restart."""

    def __init__(self, port: Callable[[], int | None], count: int = 4, batch: int = 20) -> None:
        self.senders = [Sender(f"sender-{n}", port, n, batch) for n in range(count)]

    def start(self) -> None:
        for sender in self.senders:
            sender.start()

    def wait_for_acknowledged(self, events: int) -> None:
        """Wait until this number of further events is acknowledged."""
        goal = self.acknowledged + events
        wait_for(lambda: self.acknowledged >= goal, what="acknowledged events")

    def finish(self) -> None:
        """Wait until every event is acknowledged; the exporter must be up."""
        for sender in self.senders:
            sender.finishing.set()
        for sender in self.senders:
            sender.join(60)
            assert not sender.is_alive(), f"{sender.name} still has unacknowledged events"
        problems = [problem for sender in self.senders for problem in sender.problems]
        assert not problems, problems[:3]

    @property
    def acknowledged(self) -> int:
        return sum(sender.acknowledged for sender in self.senders)

    @property
    def sent(self) -> int:
        return sum(sender.sent for sender in self.senders)

    @property
    def firsts(self) -> int:
        """The number of events that are not repeats if the exporter remembers all users."""
        return sum(
            len(CODES) * (sender.sent // USER_EVENTS) + min(sender.sent % USER_EVENTS, len(CODES))
            for sender in self.senders
        )

    @property
    def forgotten(self) -> int:
        """The maximum number of events that stop being repeats when an exporter once forgets all users."""
        return 2 * len(CODES) * len(self.senders)

    @property
    def retries(self) -> int:
        return sum(sender.retries for sender in self.senders)
