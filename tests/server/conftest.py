"""A server on loopback in a thread: what it serves, refuses and drops, seen from real sockets."""

import asyncio
import json
import re
import socket
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


@dataclass
class Seen:
    """What reached the application."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)


class Running:
    """A server under test; `address` is where it listens, `own` what it counted."""

    def __init__(self, address: tuple[str, int], own: OwnMetrics, seen: Seen) -> None:
        self.address, self.own, self.seen = address, own, seen
        self.opened: list[socket.socket] = []

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.address, timeout=DEADLINE)
        self.opened.append(made)
        return made

    def exchange(self, request: bytes) -> bytes:
        """All that is answered to `request` until the server closes."""
        with self.connect() as client:
            client.sendall(request)
            return rest(client)

    def refused(self, reason: str) -> float:
        return value(self.own.refused.labels(reason))

    def requests(self, status: int) -> float:
        return value(self.own.requests.labels(status))


def value(counter: Any) -> float:
    return float(counter._value.get())


def rest(client: socket.socket) -> bytes:
    """Everything until the end of the connection, however it ends."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answer(client: socket.socket) -> bytes:
    """One answer with a content-length."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = client.recv(65536)
        assert part, got
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.startswith(b"content-length")
    )
    while len(body) < length:
        part = client.recv(65536)
        assert part, got
        body += part
    return head + b"\r\n\r\n" + body


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.005)


def echo(seen: Seen) -> Any:
    """Answers with the body it was sent; `/big` with 32 MiB, `/early` before reading the body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        seen.bodies.append(body)
        seen.headers.append(dict(scope["headers"]))
        if scope["path"] == "/big":
            body = bytes(32 * 1024**2)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    return app


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


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
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
    """Starts servers; `start(receive_timeout=..., max_header=..., app=..., tls=..., hosts=...,
    max_connections=...)`, `tls` the files of `pair`; all end with the test."""
    ends: list[Callable[[], None]] = []

    def begin(
        receive_timeout: float = 10.0,
        max_header: int = 16384,
        app: Any = None,
        tls: tuple[Path, Path] | tuple[()] = (),
        hosts: AllowedHosts | None = None,
        max_connections: int = 400,
    ) -> Running:
        own = OwnMetrics(CollectorRegistry(), (), ())
        seen = Seen()
        watch = Refusals(own, Sampler(Log("test"), time.monotonic), ingest=True)
        protocol = guarded(Limits(max_header, receive_timeout, watch, hosts))
        certificate = Certificate("ingest", *tls) if tls else None
        listener = Listener(
            *("ingest", "127.0.0.1:0", app or echo(seen), protocol, certificate),
            max_connections=max_connections,
        )
        ready = threading.Event()
        running: list[Running] = []
        handles: list[Any] = []
        failures: list[BaseException] = []

        async def main() -> None:
            stop = asyncio.Event()
            handles.extend((asyncio.get_running_loop(), stop))

            def on_ready(bound: Any) -> None:
                running.append(Running(bound["ingest"], own, seen))
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
            handles[0].call_soon_threadsafe(handles[1].set)
            thread.join(DEADLINE)
            assert not thread.is_alive()
            assert not failures

        assert ready.wait(DEADLINE)
        ends.append(end)
        return running[0]

    yield begin
    for end in ends:
        end()
