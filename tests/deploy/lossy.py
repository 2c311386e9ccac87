"""A bad network: a proxy that loses answers and refuses requests."""

import threading
from typing import Any

import httpx

from exporter.names import INGEST_PATH
from tests.faulty_server import Fault, FaultyServer, Handler, answers


class LossyProxy(FaultyServer):
    """A proxy to an exporter's port `upstream`: each request takes one of `faults`, None is no fault.

    `bodies` are the bodies of all requests. `waiting` is set while a sender waits for an answer that will not
    come.
    """

    def __init__(self, upstream: int, *faults: Fault | None) -> None:
        super().__init__(_Handler)
        self.url += INGEST_PATH
        self.upstream = upstream
        self.faults.extend(faults)
        self.bodies: list[bytes] = []
        self.waiting, self.over = threading.Event(), threading.Event()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        super().__exit__()

    def wait_in_vain(self) -> None:
        self.waiting.set()
        self.over.wait()


class _Handler(Handler):
    server: LossyProxy
    # HTTP/1.0: each request has a connection of its own.
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.faults.popleft() if self.server.faults else None
        if fault:
            fault(self)
        else:
            self.answer(*self.forward())

    def forward(self) -> tuple[int, bytes]:
        """Status and body of the exporter's answer."""
        url = f"http://127.0.0.1:{self.server.upstream}{self.path}"
        headers = {key: value for key, value in self.headers.items() if key != "Host"}
        body = self.server.bodies[-1]
        reply = httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)
        return reply.status_code, reply.content


def lost(handler: Any) -> None:
    """The exporter answers, but the connection closes before the answer reaches the sender."""
    handler.forward()


def no_answer(handler: Any) -> None:
    """The exporter answers, but the sender waits for the answer until the end of the test."""
    handler.forward()
    handler.server.wait_in_vain()


def no_request(handler: Any) -> None:
    """The exporter gets no request, and the sender waits for an answer until the end of the test."""
    handler.server.wait_in_vain()


refused = answers(503, {}, retry_after="1")
