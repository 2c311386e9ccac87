"""A server that follows the contract, with faults on demand, for tests of `send`.

It checks one rule, that `system` is "softdrive" or "streampixel", and remembers ids forever. It has
no durability, taxonomies, limits in bytes or concurrency: the real server is tested elsewhere.
"""

import gzip
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from exporter.names import INGEST_PATH

Events = list[dict[str, Any]]
Fault = Callable[["Handler", Events], None]
"""Responds to a request instead of the server."""


class FakeExporter(ThreadingHTTPServer):
    """`counted` maps ids to events; each request takes a fault of `faults`; `requests` holds ids.

    `headers`, `target` and `body` are those of the last request.
    """

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counted: dict[str, dict[str, Any]] = {}
        self.faults: deque[Fault | None] = deque()
        self.requests: list[list[str]] = []
        self.headers: dict[str, str] = {}
        self.body = b""
        self.target = ""
        self.connections = self.largest = 0
        self.max_events = 1000
        self.token = ""

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
        except (ConnectionError, ValueError):  # closed by a fault
            self.close_connection = True

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.body = body
        if self.headers["Content-Type"] == "application/cloudevents-batch+json":
            events = [envelope["data"] | {"id": envelope["id"]} for envelope in json.loads(body)]
        else:
            events = [json.loads(line) for line in body.split(b"\n") if line]
        server.headers = dict(self.headers)
        server.target = self.path
        server.requests.append([event["id"] for event in events])
        server.largest = max(server.largest, len(body))
        if urlsplit(self.path).path != INGEST_PATH:
            self.reply(404, {"title": "No such path"})
        elif server.faults and (fault := server.faults.popleft()):
            fault(self, events)
        elif server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            self.reply(401, {"title": "No valid token"})
        elif len(events) > server.max_events or "huge" in server.requests[-1]:
            self.reply(413, {"title": "Too large"})
        else:
            self.reply(*self.count(events))

    def count(self, events: Events) -> tuple[int, dict[str, Any]]:
        accepted, duplicates, rejected = 0, 0, []
        for index, event in enumerate(events):
            if event["system"] not in ("softdrive", "streampixel"):
                rejected.append({"index": index, "message": f"system = {event['system']!r}"})
            elif event["id"] in self.server.counted:
                duplicates += 1
            else:
                self.server.counted[event["id"]] = event
                accepted += 1
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


def responds(status: int, body: object = b"", **headers: str) -> Fault:
    """Responds with this and counts nothing."""
    return lambda handler, events: handler.reply(status, body, **headers)


def resets_after_counting(handler: Handler, events: Events) -> None:
    """Counts the events, then resets the connection without a response."""
    handler.count(events)
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # shutdown() would send a FIN; only closing the descriptor sends the RST.
    for file in (handler.rfile, handler.wfile, handler.connection):
        file.close()
    handler.close_connection = True


def closes_after_responding(handler: Handler, events: Events) -> None:
    """Closes the connection without announcing it, as servers close idle connections."""
    handler.reply(*handler.count(events))
    handler.close_connection = True


def responds_after(event: threading.Event) -> Fault:
    """Counts the events and responds when `event` is set, or after 10 s."""

    def fault(handler: Handler, events: Events) -> None:
        outcome = handler.count(events)
        event.wait(10)
        handler.close_connection = True
        handler.reply(*outcome)

    return fault
