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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from exporter.logs import Log, Sampler
from exporter.metrics.own import OwnMetrics
from exporter.server.certificates import Certificate
from exporter.server.hosts import AllowedHosts
from exporter.server.listeners import Listener, serve
from exporter.server.refusals import Limits, Refusals

DEADLINE = 60.0
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
Files = tuple[Path, Path] | tuple[()]

plain_and_tls = pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])


class Echo:
    """Answers with the request's body, `/big` with 32 MiB, and `/early` before it has read the body."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        self.headers.append(dict(scope["headers"]))
        await respond(send, bytes(32 * 1024**2) if scope["path"] == "/big" else body)


async def respond(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    lines = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def make_listener(
    app: Any,
    name: str = "ingest",
    *,
    registry: CollectorRegistry | None = None,
    address: str = "127.0.0.1:0",
    files: Files = (),
    receive_timeout: float = 10.0,
    max_header: int = 16384,
    hosts: AllowedHosts | None = None,
    max_connections: int = 400,
) -> Listener:
    """By default with the limits of the product."""
    own = OwnMetrics(registry or CollectorRegistry(), (), ())
    refusals = Refusals(own, Sampler(Log("exporter.test"), time.monotonic), ingest=True)
    limits = Limits(max_header, receive_timeout, refusals, hosts)
    certificate = Certificate(name, *files) if files else None
    return Listener(name, address, app, limits, certificate, max_connections)


class Running:
    """A server under test, already started."""

    def __init__(self, app: Any = None, **settings: Any) -> None:
        self.received = app or Echo()
        self._registry = CollectorRegistry()
        self._opened = ExitStack()
        self._stop: Callable[[], object] = lambda: None
        self._failure: BaseException | None = None
        listener = make_listener(self.received, registry=self._registry, **settings)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, ready))
        self._thread.start()
        assert ready.wait(DEADLINE)

    def _run(self, listener: Listener, ready: threading.Event) -> None:
        async def main() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)

            def on_ready(bound: Any) -> None:
                self.address = bound["ingest"]
                ready.set()

            await serve([listener], 0.3, on_ready, stop)

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())
        except BaseException as error:
            self._failure = error

    def end(self) -> None:
        self._opened.close()
        self._stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        assert self._failure is None

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=DEADLINE)
        return self._opened.enter_context(connection)

    def connect_tls(self, with_tls: bool = True) -> socket.socket:
        """A connection with or without TLS."""
        if not with_tls:
            return self.connect()
        return self._opened.enter_context(tls(self.connect()))

    def exchange(self, request: bytes) -> bytes:
        """Send a request; returns all bytes until the server closes the connection."""
        with self.connect() as client:
            client.sendall(request)
            return rest(client)

    def refused(self, reason: str) -> float:
        return self._count("session_exporter_refused_requests_total", {"reason": reason})

    def requests(self, status: int) -> float:
        return self._count("session_exporter_requests_total", {"status": str(status)})

    def _count(self, name: str, labels: dict[str, str]) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers that end with the test."""
    servers: list[Running] = []

    def begin(app: Any = None, **settings: Any) -> Running:
        servers.append(Running(app, **settings))
        return servers[-1]

    yield begin
    for server in servers:
        server.end()


def rest(client: socket.socket) -> bytes:
    """All bytes until the connection ends, also by a reset."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answer(client: socket.socket) -> bytes:
    """An answer with a content-length."""
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


def refuses(address: Any) -> bool:
    """Whether no program listens at the address."""
    try:
        socket.create_connection(address, DEADLINE).close()
    except ConnectionRefusedError:
        return True
    return False


def post(body: bytes) -> bytes:
    return POST % (len(body), body)


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def problem_of(reply: bytes) -> Any:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert re.search(rb"date: \w{3}, \d\d", head)
    return json.loads(body)


def openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)


def self_signed(folder: Path, days: int = 2, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate for `name` and 127.0.0.1, and its key, in a folder that is made if needed."""
    folder.mkdir(exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    openssl(
        f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} "
        f"-addext subjectAltName=IP:127.0.0.1 -days {days} -keyout {key} -out {cert}"
    )
    return cert, key


def tls(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))
