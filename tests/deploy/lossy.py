"""A bad network: a proxy that loses answers and refuses requests."""

import http.client
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

LOST: Final = "lost"
"""The exporter answers, and the connection closes without the answer."""
NO_ANSWER: Final = "no answer"
"""The exporter answers, and the sender waits for the answer until the end."""
NO_REQUEST: Final = "no request"
"""The exporter gets nothing, and the sender waits for an answer until the end."""
PASSED: Final = "passed"
REFUSED: Final = "refused"
"""503 with Retry-After: 1; the exporter gets nothing."""


class LossyProxy(ThreadingHTTPServer):
    """In front of an exporter's `port`; each request uses up one of `faults`, later requests pass.

    `bodies` are the bodies of all requests. `waiting` is set when a sender waits in vain.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, port: int, *faults: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.faults = deque(faults)
        self.bodies: list[bytes] = []
        self.waiting = threading.Event()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/session-ends"


class _Handler(BaseHTTPRequestHandler):
    server: LossyProxy

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        fault = self.server.faults.popleft() if self.server.faults else PASSED
        if fault == REFUSED:
            self._answer(503, b"{}", {"Retry-After": "1"})
        elif fault == NO_REQUEST:
            self._wait()
        else:
            status, answer = self._forward(body)
            if fault == NO_ANSWER:
                self._wait()
            elif fault == PASSED:
                self._answer(status, answer, {})

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            headers = {key: value for key, value in self.headers.items() if key != "Host"}
            upstream.request("POST", self.path, body, headers)
            response = upstream.getresponse()
            return response.status, response.read()
        finally:
            upstream.close()

    def _wait(self) -> None:
        self.server.waiting.set()
        self.server.over.wait()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def lossy(port: int, *faults: str) -> Iterator[LossyProxy]:
    """The proxy while it runs."""
    proxy = LossyProxy(port, *faults)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
