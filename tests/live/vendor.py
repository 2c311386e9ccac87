"""Streampixel's project user stats on loopback, as documented, and with faults on demand.

It does not test: its fair-use limits, real TLS to a public name, or anything else of its API.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/pixelStripeApi"
USER = "user-1"
KEY = "key-0123456789abcdef"
Fault = Callable[["Handler"], None]
"""Answers, or not, in the server's stead."""


class Vendor(ThreadingHTTPServer):
    """`counts` are live and queued users by project; `faults` are used up, one a question, `always` is the
    fault of all others; `asked` are the projects in their order. `over` ends what still hangs."""

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counts: dict[str, tuple[int, int]] = {"p1": (7, 2)}
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.key = KEY
        self.user = USER
        self.over = threading.Event()
        self.certificate = ""

    @property
    def url(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}{BASE}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vendor

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        # The handshake is this thread's, and so is its failure.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def do_GET(self) -> None:
        server = self.server
        parts = urlsplit(self.path)
        server.asked.append(parts.path.rpartition("/")[2])
        server.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = server.faults.popleft() if server.faults else server.always
        if fault is not None:
            try:
                fault(self)
            except ConnectionError:
                self.close_connection = True
        else:
            self.stats(parts.path, parse_qs(parts.query))

    def stats(self, path: str, query: dict[str, list[str]]) -> None:
        found = self.server.counts.get(self.server.asked[-1])
        if not path.startswith(f"{BASE}/projects/userStats/"):
            self.answer(404, {"message": "Not found"})
        elif query.get("userId") != [self.server.user]:
            self.answer(401, {"message": "Invalid User"})
        elif query.get("apikey") != [self.server.key]:
            self.answer(401, {"message": "Unauthorized: Invalid API Key"})
        elif found is None:
            self.answer(404, {"message": "Project not found"})
        else:
            self.answer(200, dict(zip(("liveUser", "queueUser"), found, strict=True)))

    def answer(self, status: int, document: object, **headers: str) -> None:
        self.raw(status, json.dumps(document).encode(), **headers)

    def raw(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def bytes(self, given: bytes) -> None:
        """Exactly these, and the connection's end."""
        self.wfile.write(given)
        self.close_connection = True


def says(status: int, document: object, **headers: str) -> Fault:
    return lambda handler: handler.answer(status, document, **headers)


def sends(given: bytes) -> Fault:
    return lambda handler: handler.bytes(given)


def hangs(first: bytes = b"") -> Fault:
    """Sends the beginning of an answer and nothing more."""

    def fault(handler: Handler) -> None:
        handler.wfile.write(first)
        handler.wfile.flush()
        handler.server.over.wait(60)
        handler.close_connection = True

    return fault


def drips(handler: Handler) -> None:
    """A byte every 50 ms: never silent for long, and never done."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def floods(handler: Handler) -> None:
    """Faster than anybody reads, and never done."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.over.is_set():
        handler.wfile.write(b" " * 16_384)


@contextmanager
def vendor() -> Iterator[Vendor]:
    with running(Vendor()) as server:
        yield server


@contextmanager
def running(server: Vendor) -> Iterator[Vendor]:
    """Serves while the block runs; its port is bound from its making on."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def key_file(folder: Path, text: str = f"{KEY}\n") -> Path:
    path = folder / "live-stats-key"
    path.write_text(text)
    path.chmod(0o600)
    return path
