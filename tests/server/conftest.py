"""A server on loopback in a thread, tested through real sockets."""

import asyncio
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from exporter.logs import Log, Sampler
from exporter.metrics.own import OwnMetrics
from exporter.server.certificates import Certificate
from exporter.server.hosts import AllowedHosts
from exporter.server.limits import Limits, Refusals
from exporter.server.listeners import Listener, serve
from exporter.server.protocol import guarded

DEADLINE = 60.0
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Received:
    """What reached the application."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)


class Running:
    """A server under test."""

    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, received: Received
    ) -> None:
        self.address, self.received = address, received
        self._registry = registry
        self.opened: list[socket.socket] = []

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.address, timeout=DEADLINE)
        self.opened.append(client)
        return client

    def exchange(self, request: bytes) -> bytes:
        """Everything that the server sends until it closes the connection."""
        with self.connect() as client:
            client.sendall(request)
            return rest(client)

    def refused(self, reason: str) -> float:
        return self._count("session_exporter_refused_requests_total", {"reason": reason})

    def requests(self, status: int) -> float:
        return self._count("session_exporter_requests_total", {"status": str(status)})

    def _count(self, name: str, labels: dict[str, str]) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0


def rest(client: socket.socket) -> bytes:
    """Everything until the end of the connection, also if it is a reset."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answer(client: socket.socket) -> bytes:
    """One answer with a content-length."""
    received = b""
    while True:
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            return received
        part = client.recv(65536)
        assert part, received
        received += part


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.005)


def echo(received: Received) -> Any:
    """Answers with the request's body; `/big` with 32 MiB, `/early` before it has read the body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        received.bodies.append(body)
        received.headers.append(dict(scope["headers"]))
        await respond(send, bytes(32 * 1024**2) if scope["path"] == "/big" else body)

    return app


async def respond(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    lines = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def post(body: bytes) -> bytes:
    return POST % (len(body), body)


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def document(reply: bytes) -> Any:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert re.search(rb"date: \w{3}, \d\d", head)
    return json.loads(body)


def openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)


def refusals(registry: CollectorRegistry) -> Refusals:
    sampler = Sampler(Log("test"), time.monotonic)
    return Refusals(OwnMetrics(registry, (), ()), sampler, ingest=True)


def tls(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    return cert, key


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers, which end with the test."""
    ends: list[Callable[[], None]] = []

    def begin(
        receive_timeout: float = 10.0,
        max_header: int = 16384,
        app: Any = None,
        files: tuple[Path, Path] | tuple[()] = (),
        hosts: AllowedHosts | None = None,
        max_connections: int = 400,
    ) -> Running:
        registry = CollectorRegistry()
        received = Received()
        protocol = guarded(Limits(max_header, receive_timeout, refusals(registry), hosts))
        certificate = Certificate("ingest", *files) if files else None
        listener = Listener(
            *("ingest", "127.0.0.1:0", app or echo(received), protocol, certificate),
            max_connections=max_connections,
        )
        ready = threading.Event()
        running: list[Running] = []
        stops: list[Callable[[], object]] = []
        failures: list[BaseException] = []

        async def main() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            stops.append(lambda: loop.call_soon_threadsafe(stop.set))

            def on_ready(bound: Any) -> None:
                running.append(Running(bound["ingest"], registry, received))
                ready.set()

            await serve([listener], 0.3, on_ready, stop)

        def run() -> None:
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(main())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()

        def end() -> None:
            for client in running[0].opened:
                client.close()
            stops[0]()
            thread.join(DEADLINE)
            assert not thread.is_alive()
            assert not failures

        assert ready.wait(DEADLINE)
        ends.append(end)
        return running[0]

    yield begin
    for end in ends:
        end()
