"""A server that follows the contract, with faults on demand, for tests of `send`.

It checks only that `system` is "softdrive" or "streampixel", and remembers ids forever. It has no durability,
taxonomies, limits in bytes or concurrency; the real server is tested elsewhere.
"""

import gzip
import json
import socket
import struct
from typing import Any
from urllib.parse import urlsplit

from exporter.names import INGEST_PATH
from tests import faulty_server
from tests.faulty_server import FaultyServer

Events = list[dict[str, Any]]


class FakeExporter(FaultyServer):
    """`counted` maps ids to events, `requests` holds ids.

    `headers`, `target` and `body` belong to the last request.
    """

    def __init__(self) -> None:
        super().__init__(Handler)
        self.counted: dict[str, dict[str, Any]] = {}
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


class Handler(faulty_server.Handler):
    """`events` are those of the request."""

    server: FakeExporter
    events: Events

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
        self.events = events
        server.headers = dict(self.headers)
        server.target = self.path
        server.requests.append([event["id"] for event in events])
        server.largest = max(server.largest, len(body))
        if urlsplit(self.path).path != INGEST_PATH:
            self.answer(404, {"title": "No such path"})
        elif server.faults and (fault := server.faults.popleft()):
            fault(self)
        elif server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            self.answer(401, {"title": "No valid token"})
        elif len(events) > server.max_events or "huge" in server.requests[-1]:
            self.answer(413, {"title": "Too large"})
        else:
            self.answer(*self.count())

    def count(self) -> tuple[int, dict[str, Any]]:
        accepted, duplicates, rejected = 0, 0, []
        for index, event in enumerate(self.events):
            if event["system"] not in ("softdrive", "streampixel"):
                rejected.append({"index": index, "message": f"system = {event['system']!r}"})
            elif event["id"] in self.server.counted:
                duplicates += 1
            else:
                self.server.counted[event["id"]] = event
                accepted += 1
        reply = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        return (200 if accepted + duplicates else 422), reply


def resets_after_counting(handler: Handler) -> None:
    """Counts the events, then resets the connection without a response."""
    handler.count()
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # shutdown() would send a FIN; only closing the descriptor sends the RST.
    for file in (handler.rfile, handler.wfile, handler.connection):
        file.close()
    handler.close_connection = True


def closes_after_responding(handler: Handler) -> None:
    """Closes the connection without announcing it, as servers close idle connections."""
    handler.answer(*handler.count())
    handler.close_connection = True
