"""A local server of Streampixel's project user stats, as documented, with faults on demand.

It does not test Streampixel's rate limits and certificates.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

BASE = "/pixelStripeApi"
USER = "user-1"
KEY = "key-0123456789abcdef"
Fault = Callable[["Handler"], None]
"""Replaces the answer to a request."""


class StatsServer(ThreadingHTTPServer):
    """Serves inside the `with` block; the port is bound before.

    `faults` apply to one request each, `fault` to all others. `polled` are the requested projects.
    """

    daemon_threads = False

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counts: dict[str, tuple[int, int]] = {"p1": (7, 2)}
        self.faults: deque[Fault] = deque()
        self.fault: Fault | None = None
        self.polled: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.key = KEY
        self.user = USER
        self.stopping = threading.Event()
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server_address[1]}{BASE}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StatsServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        # The handshake happens here; a client may refuse the certificate.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def do_GET(self) -> None:
        server = self.server
        parts = urlsplit(self.path)
        server.polled.append(parts.path.rpartition("/")[2])
        server.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = server.faults.popleft() if server.faults else server.fault
        if fault is not None:
            fault(self)
        else:
            self.stats(parts.path, parse_qs(parts.query))

    def stats(self, path: str, query: dict[str, list[str]]) -> None:
        counts = self.server.counts.get(self.server.polled[-1])
        if not path.startswith(f"{BASE}/projects/userStats/"):
            self.answer(404, {"message": "Not found"})
        elif query != {"userId": [self.server.user], "apikey": [self.server.key]}:
            self.answer(401, {"message": "Unauthorized: Invalid API Key"})
        elif counts is None:
            self.answer(404, {"message": "Project not found"})
        else:
            self.answer(200, dict(zip(("liveUser", "queueUser"), counts, strict=True)))

    def answer(self, status: int, document: object, **headers: str) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def answers(status: int, document: object, **headers: str) -> Fault:
    return lambda handler: handler.answer(status, document, **headers)


def sends(raw: bytes, *, hang: bool = False) -> Fault:
    """Exactly these bytes, then the end of the connection, or with `hang` nothing more."""

    def fault(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True
        if hang:
            handler.server.stopping.wait(60)

    return fault


def repeats(chunk: bytes, delay: float) -> Fault:
    """An answer that never ends: `chunk` every `delay` seconds."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.stopping.wait(delay):
            handler.wfile.write(chunk)

    return fault


def key_file(folder: Path, text: str = f"{KEY}\n") -> Path:
    path = folder / "live-stats-key"
    path.write_text(text)
    path.chmod(0o600)
    return path
