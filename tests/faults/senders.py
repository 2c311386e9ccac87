"""Senders as the contract wants them: each event has an id, and is sent until it is acknowledged."""

import http.client
import json
import random
import threading
from collections.abc import Callable
from contextlib import suppress


class Sender(threading.Thread):
    """Posts events over one connection until `finish`; a fifth of them are sent once more on purpose.

    `port` is asked for at each connection, because a restarted exporter has another. `acknowledged` counts
    distinct ids that a 200 named accepted or duplicate; `sent` those that left this process. After
    `finish` the events without an answer are sent again until they have one.
    """

    def __init__(self, name: str, port: Callable[[], int | None], seed: int, batch: int) -> None:
        super().__init__(name=name, daemon=True)
        self.port = port
        self._random = random.Random(seed)
        self._batch = batch
        self._connection: http.client.HTTPConnection | None = None
        self._finishing = threading.Event()
        self.acknowledged = 0
        self.sent = 0
        self.retries = 0
        self.accepted = 0
        self.problems: list[str] = []

    def run(self) -> None:
        number = 0
        while not self._finishing.is_set():
            count = self._random.randint(1, self._batch)
            events = [self._event(number + index) for index in range(count)]
            number += count
            self.sent += count
            self._until_acknowledged(events)
            self.acknowledged += count
            if self._random.random() < 0.2:
                self._until_acknowledged(events)
        if self._connection is not None:
            self._connection.close()

    def finish(self) -> None:
        self._finishing.set()

    def _event(self, number: int) -> dict[str, object]:
        code = (4001, 1000, 1006, 4005)[number % 4]
        return {"id": f"{self.name}-{number}", "system": "streampixel", "code": code}

    def _until_acknowledged(self, events: list[dict[str, object]]) -> None:
        body = json.dumps(events)
        while True:
            status, reply = self._post(body)
            if status == 200:
                if reply["accepted"] + reply["duplicates"] != len(events):
                    self.problems.append(f"{len(events)} events were answered {reply}")
                self.accepted += reply["accepted"]
                return
            if status not in (0, 503):
                self.problems.append(f"answered {status}: {reply}")
                return
            self.retries += 1
            threading.Event().wait(0.01)

    def _post(self, body: str) -> tuple[int, dict[str, int]]:
        """Status and JSON; status 0 when there was no answer."""
        port = self.port()
        if port is None:
            return 0, {}
        try:
            if self._connection is not None and self._connection.port != port:
                self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            headers = {"Content-Type": "application/json"}
            self._connection.request("POST", "/v1/session-ends", body, headers)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            if self._connection is not None:
                with suppress(OSError):
                    self._connection.close()
            self._connection = None
            return 0, {}


class Load:
    """`count` senders against an exporter that may come and go."""

    def __init__(self, port: Callable[[], int | None], count: int = 4, batch: int = 20) -> None:
        self.senders = [Sender(f"sender-{n}", port, n, batch) for n in range(count)]

    def start(self) -> None:
        for sender in self.senders:
            sender.start()

    def finish(self, seconds: float = 60.0) -> None:
        """Let every event be acknowledged; the exporter has to be up."""
        for sender in self.senders:
            sender.finish()
        for sender in self.senders:
            sender.join(seconds)
            assert not sender.is_alive(), f"{sender.name} still has events without an answer"
        assert not self.problems, self.problems[:3]

    @property
    def acknowledged(self) -> int:
        return sum(sender.acknowledged for sender in self.senders)

    @property
    def sent(self) -> int:
        return sum(sender.sent for sender in self.senders)

    @property
    def retries(self) -> int:
        return sum(sender.retries for sender in self.senders)

    @property
    def problems(self) -> list[str]:
        return [problem for sender in self.senders for problem in sender.problems]
