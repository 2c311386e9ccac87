"""An HTTP server on loopback whose answers can be replaced with faults."""

import json
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Fault = Callable[[Any], None]
"""A function that answers a request in place of the server. It gets the request handler."""


class FaultyServer(ThreadingHTTPServer):
    """Serves while the `with` block lasts; the port is bound before.

    Each request takes the next entry of `faults`; None is no fault.
    """

    daemon_threads = False

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.faults: deque[Fault | None] = deque()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, document: object, **headers: str) -> None:
        """Answers with bytes or a JSON value; the header `retry_after` is Retry-After."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def answers(status: int, document: object = b"", **headers: str) -> Fault:
    return lambda handler: handler.answer(status, document, **headers)
