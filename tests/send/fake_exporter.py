"""A server that follows the contract, with faults on demand, for tests of `send`.

It checks one rule, that `system` is "softdrive" or "streampixel", and remembers ids forever. It has
no durability, taxonomies, limits in bytes or concurrency: the real server is tested elsewhere.
"""

import gzip
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Fault = Callable[["Handler", list[dict[str, Any]]], bool]
"""Gets the events of a request; True if the server must not respond itself."""


class FakeExporter(ThreadingHTTPServer):
    """`counted` maps ids to events; each request takes one of `faults`; `requests` holds their ids."""

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counted: dict[str, dict[str, Any]] = {}
        self.faults: deque[Fault | None] = deque()
        self.requests: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.sizes: list[int] = []
        self.connections = 0
        self.most = 1000
        self.token = ""
        self.scheme = "http"

    def use_tls(self, certificate: Path) -> None:
        """Serves TLS from now on with a file of certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeExporter

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        events = [json.loads(line) for line in body.split(b"\n") if line]
        server = self.server
        server.paths.append(self.path)
        server.headers.append(dict(self.headers))
        server.requests.append([event["id"] for event in events])
        server.sizes.append(len(body))
        fault = server.faults.popleft() if server.faults else None
        if fault is not None and fault(self, events):
            return
        if server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            self.reply(401, {"title": "No valid token"})
        elif len(events) > server.most:
            self.reply(413, {"title": "Too many events"})
        else:
            self.reply(*self.count(events))

    def count(self, events: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        accepted, duplicates, rejected = 0, 0, []
        for index, event in enumerate(events):
            if event["system"] not in ("softdrive", "streampixel"):
                reason = {"reason": "unknown_system", "message": f"system = {event['system']!r}"}
                rejected.append({"index": index, **reason})
            elif event["id"] not in self.server.counted:
                self.server.counted[event["id"]] = event
                accepted += 1
            elif self.server.counted[event["id"]] == event:
                duplicates += 1
            else:
                rejected.append({"index": index, "reason": "conflict", "message": "conflict"})
        reply = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        return (200 if accepted + duplicates else 422), reply

    def reply(self, status: int, body: object, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def answers(status: int, body: object = b"", **headers: str) -> Fault:
    """Responds with this and counts nothing."""

    def fault(handler: Handler, events: list[dict[str, Any]]) -> bool:
        handler.reply(status, body, **headers)
        return True

    return fault


def resets_after_counting(handler: Handler, events: list[dict[str, Any]]) -> bool:
    """Counts the events, then resets the connection without a response."""
    handler.count(events)
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # shutdown() would send a FIN; only closing the descriptor sends the RST.
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()
    handler.close_connection = True
    return True


def closes_after_answering(handler: Handler, events: list[dict[str, Any]]) -> bool:
    """Responds as usual and closes without announcing it, as a server closes idle connections."""
    handler.reply(*handler.count(events))
    handler.close_connection = True
    return True


def answers_after(event: threading.Event) -> Fault:
    """Counts the events and responds when `event` is set, or after 10 s."""

    def fault(handler: Handler, events: list[dict[str, Any]]) -> bool:
        outcome = handler.count(events)
        event.wait(10)
        handler.close_connection = True
        handler.reply(*outcome)
        return True

    return fault


@contextmanager
def fake_exporter() -> Iterator[FakeExporter]:
    server = FakeExporter()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
