"""A server on loopback in a thread, tested through real sockets."""

import asyncio
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from exporter.logs import Log, Sampler
from exporter.metrics.own import OwnMetrics
from exporter.server.certificates import watched_certificate
from exporter.server.listener import Listener
from exporter.server.serving import serve
from tests.programs import output

DEADLINE = 60.0
MIB = 1024**2
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_REFUSED = CHUNKED.replace(b"/", b"/refuse", 1)
Files = tuple[Path, Path] | tuple[()]
"""Certificate and key, or neither for a server without TLS."""


class Echo:
    """Answers with the request's body; other paths differ from this.

    `/big` is answered with 32 MiB, `/early` before the body is read, `/refuse` with 413 before the body is
    read, and `/wait` after `go`. `reads` are the sizes of the parts of the bodies.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.reads: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.cancelled = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, body = scope["path"], b""
        if path == "/refuse":
            await respond(send, b"no", 413, (b"connection", b"close"))
            return
        if path == "/wait":
            await self._wait()
        more = path != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            self.reads.append(len(message["body"]))
            more = message["more_body"]
        self.bodies.append(body)
        self.headers.append(dict(scope["headers"]))
        await respond(send, bytes(32 * MIB) if path == "/big" else body)

    async def _wait(self) -> None:
        self.begun.set()
        try:
            await asyncio.to_thread(self.go.wait, DEADLINE)
        except asyncio.CancelledError:
            self.go.set()
            await asyncio.sleep(0.05)
            self.cancelled = True
            raise


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
    **changed: Any,
) -> Listener:
    """By default with the limits of the product."""
    own = OwnMetrics(registry or CollectorRegistry(), (), ())
    sampler = Sampler(Log("exporter.test"), time.monotonic)
    limits = {"max_header": 16384, "receive_timeout": 10.0, "max_connections": 400, **changed}
    certificate = watched_certificate(name, *files) if files else None
    return Listener(name, address, app, own, sampler, **limits, certificate=certificate)


def run(main: Coroutine[Any, Any, Any]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


class Running:
    """A server under test, already started; `others` are listeners beside the ingest listener."""

    def __init__(
        self,
        app: Any = None,
        *others: Listener,
        shutdown_timeout: float = 0.3,
        files: Files = (),
        **settings: Any,
    ) -> None:
        self.received = app or Echo()
        self._registry = CollectorRegistry()
        self._opened = ExitStack()
        self._with_tls = bool(files)
        listener = make_listener(self.received, registry=self._registry, files=files, **settings)
        ready = threading.Event()

        async def main() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)

            def on_ready(bound: Any) -> None:
                self.bound, self.address = bound, bound["ingest"]
                ready.set()

            await serve([listener, *others], shutdown_timeout, on_ready, stop)
            self._ended = True

        self._ended = False
        self._thread = threading.Thread(target=lambda: run(main()))
        self._thread.start()
        assert ready.wait(DEADLINE)

    def stop(self) -> None:
        """Begin to stop, without waiting."""
        if self._thread.is_alive():
            self._stop()

    def join(self) -> None:
        self._thread.join(DEADLINE)
        assert self._ended

    def end(self) -> None:
        self._opened.close()
        self.stop()
        self.join()

    def connect(self) -> socket.socket:
        """A connection without a TLS handshake."""
        connection = socket.create_connection(self.address, timeout=DEADLINE)
        return self._opened.enter_context(connection)

    def client(self) -> socket.socket:
        """A connection, with TLS if the server has a certificate."""
        connection = self.connect()
        return self._opened.enter_context(tls(connection)) if self._with_tls else connection

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

    def begin(*apps: Any, **settings: Any) -> Running:
        servers.append(Running(*apps, **settings))
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


def ask(client: socket.socket, request: bytes) -> bytes:
    """Send a request; returns its answer."""
    client.sendall(request)
    return answer(client)


def refuses(address: Any) -> bool:
    """Whether no program listens at the address."""
    try:
        socket.create_connection(address, DEADLINE).close()
    except ConnectionRefusedError:
        return True
    return False


def post(body: bytes, path: bytes = b"/") -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    return head % (path, len(body)) + body


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def problem_of(reply: bytes) -> Any:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert re.search(rb"date: \w{3}, \d\d", head)
    return json.loads(body)


def openssl(arguments: str) -> str:
    return output("openssl", *arguments.split())


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


@pytest.fixture(params=["plain", "TLS"])
def files(request: pytest.FixtureRequest, pair: tuple[Path, Path]) -> Files:
    return pair if request.param == "TLS" else ()
