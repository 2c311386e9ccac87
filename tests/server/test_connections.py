"""Closed connections are freed, and connections over the limit are refused."""

import asyncio
import gc
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from exporter.server import closing
from exporter.server.connections import PAUSE, Connections
from exporter.server.resources import bind
from tests.e2e.exporter_process import wait_for
from tests.server.conftest import (
    CHUNKED,
    CHUNKED_REFUSED,
    DEADLINE,
    MIB,
    Echo,
    Files,
    Start,
    ask,
    make_listener,
    post,
    rest,
    run,
    status,
    tls,
)

OF_TLS = {"SSLProtocol", "_SSLProtocolTransport"}
OF_A_CONNECTION = OF_TLS | {
    "BufferedConnection",
    "GuardedProtocol",
    "HttpRequestParser",
    "LingeringTransport",
    "RequestResponseCycle",
    "TCPTransport",
}
"""Types of which a server has instances only while it has connections."""


def alive() -> Counter[str]:
    names = (type(item).__name__ for item in gc.get_objects())
    return Counter(name for name in names if name in OF_A_CONNECTION)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


BIG = b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + bytes(400_000)
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
USES: dict[str, tuple[bytes, bool, bool]] = {
    "nothing": (b"", False, False),
    "part of a head": (b"POST / HT", False, False),
    "part of a body": (post(b"x" * 100)[:-1], False, False),
    "a request": (post(b"x"), True, False),
    # After a reset, uvicorn's keep-alive timer runs on for 75 s.
    "a request, then a reset": (post(b"x"), True, True),
    "a large request": (post(b"x" * 300_000), True, False),
    "an early answer": (EARLY, True, False),
    "a large unread answer": (BIG, True, True),
    "no HTTP": (b"\x00\x01\r\n\r\n", True, False),
    "an upgrade": (UPGRADE, True, False),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", True, False),
    "a malformed body": (CHUNKED + b"zz\r\n", True, False),
    "a large head": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, True, False),
}
"""The request of a client, whether it reads the answer, and whether it ends with a reset."""
OF_TLS_ONLY = (CHUNKED_REFUSED + b"80000\r\n" + bytes(400_000), True, False)
"""Without TLS, a connection stops reading after such an answer, and does not notice the client's close."""


@pytest.mark.usefixtures("no_collector")
def test_closed_connection_is_freed_without_the_collector(
    start: Start, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when `connection_lost` does not release the transport, cancel the timers or drop the cycle, when
    TLS stops reading, when a refusal keeps its traceback, and when a refused request keeps its connection
    open after the client's close: 100 closed connections with 300 kB each waited for the timer of a
    connection that lingers."""
    monkeypatch.setattr(closing, "LINGER", 3600.0)
    server = start(files=files)
    uses = [*USES.values(), *([OF_TLS_ONLY] if files else [])]
    clients = [server.client() for _ in uses]
    for client, (request, reads, resets) in zip(clients, uses, strict=True):
        client.sendall(request)
        if reads:
            assert client.recv(1000)
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert OF_A_CONNECTION - alive().keys() == (set() if files else OF_TLS)
    for client in clients:
        client.close()
    wait_for(lambda: not alive())


@pytest.mark.usefixtures("no_collector")
def test_failed_handshake_is_freed_and_no_longer_counted(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `BufferedConnection` makes its protocol before there is a transport, and without
    `connection_lost` in `Connections._started`."""
    server = start(files=pair, max_connections=2)
    for _ in range(5):
        server.exchange(b"GET / HTTP/1.1\r\n\r\n")
    wait_for(lambda: not alive())
    wait_for(lambda: accepts_tls(server.connect()))


@pytest.mark.usefixtures("no_collector")
def test_request_that_runs_on_keeps_no_buffers_of_its_closed_connection(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `release` keeps the transport, or uvicorn's flow control keeps another reference to it."""
    server = start(files=pair)
    client = server.client()
    client.sendall(post(b"x", b"/wait"))
    assert server.received.begun.wait(DEADLINE)
    client.close()
    wait_for(lambda: not alive().keys() & OF_TLS)
    assert alive()["RequestResponseCycle"]
    server.received.go.set()
    wait_for(lambda: not alive())


# --- the limit ------------------------------------------------------------------------------------


def busy(client: socket.socket) -> socket.socket:
    """Make a connection busy: begin a request, and wait until the server asks for the body."""
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    )
    assert status(client.recv(1000)) == 100
    return client


def accepts_tls(connection: socket.socket) -> bool:
    try:
        tls(connection).close()
    except OSError:
        return False
    return True


def is_answered(client: socket.socket, request: bytes) -> bool:
    return status(ask(client, request)) == 200


def test_connection_over_the_limit_is_refused_and_counted(start: Start) -> None:
    """Fails without the check of `max_connections` in `_accept`."""
    server = start(max_connections=2)
    clients = [busy(server.connect()) for _ in range(2)]
    for _ in range(2):
        assert server.exchange(b"") == b""
    wait_for(lambda: server.refused("too_many_connections") == 2)
    assert all(is_answered(client, b"x") for client in clients)
    clients[0].close()
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    wait_for(lambda: status(server.exchange(last)) == 200)


def test_connection_that_is_idle_longest_is_replaced_at_the_limit(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without `_make_room`: a browser keeps a connection for minutes after a single request. Fails when
    the end of a replaced connection raises: a stop waited for it."""
    server = start(max_connections=4)
    in_request = busy(server.connect())
    older, newer = server.connect(), server.connect()
    assert is_answered(older, post(b"x"))
    assert is_answered(newer, post(b"x"))
    server.connect()
    assert is_answered(server.connect(), post(b"y"))
    assert older.recv(1) == b""
    assert is_answered(newer, post(b"z"))
    assert is_answered(in_request, b"x")
    assert server.refused("too_many_connections") == 0
    assert not caplog.records


@pytest.mark.parametrize("begun", [b"", b"P"], ids=["silent", "part of a head"])
def test_connection_without_a_request_is_replaced_and_counted(
    start: Start, files: Files, begun: bytes
) -> None:
    """Fails when only a connection that had an answer is replaced: 450 silent sockets stopped ingest. A TLS
    client does not finish its handshake."""
    server = start(files=files, max_connections=2)
    sender, silent = server.client(), server.connect()
    for number in range(3):
        silent.sendall(begun)
        make_newer(sender)
        replaced, silent = silent, server.connect()
        assert rest(replaced) == b""
        assert server.refused("too_many_connections") == number + 1
    make_newer(sender)
    assert is_answered(server.client(), post(b"y"))


def make_newer(sender: socket.socket) -> None:
    """Let the sender wait for less time than all other connections do."""
    # With this answer, the server has accepted the others.
    assert is_answered(sender, post(b"x"))
    # The event loop's clock counts milliseconds.
    began = time.monotonic()
    wait_for(lambda: time.monotonic() > began + 0.001)
    assert is_answered(sender, post(b"x"))


@pytest.mark.parametrize("path", [b"/early", b"/"], ids=["early", "complete"])
def test_connection_that_closes_is_replaced(start: Start, files: Files, path: bytes) -> None:
    """Fails when `on_response_complete` sets no time while the connection closes: 400 requests without a
    token blocked the listener for a second after early answers, and over TLS for `receive_timeout`."""
    server = start(files=files, max_connections=2)
    body = b"x" if path == b"/" else b""
    last = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\n%s"
    assert all(is_answered(server.client(), last % (path, body)) for _ in range(6))
    assert server.refused("too_many_connections") == 0


def test_connection_with_an_unread_answer_is_not_replaced(start: Start) -> None:
    """Fails without `write_paused` in `waiting_since`: the rest of the answer was lost."""
    server = start(max_connections=1)
    client = server.connect()
    client.sendall(BIG)
    first = client.recv(100)
    assert status(first) == 200
    assert server.exchange(b"") == b""
    client.shutdown(socket.SHUT_WR)
    assert len(first + rest(client)) > 32 * MIB


@pytest.mark.parametrize("refused", [CHUNKED + b"zz\r\n", b"no HTTP\r\n"], ids=["body", "head"])
def test_connection_with_a_refused_request_is_replaced(start: Start, refused: bytes) -> None:
    """Fails when `_refuse` sets no time: the refused request counted as one that is being read. Fails without
    `_phase` in `_finish`, for the head: the refused request was counted again."""
    server = start(max_connections=2)
    for _ in range(6):
        assert status(ask(server.connect(), refused)) == 400
    assert server.refused("too_many_connections") == 0


class Blocking(Echo):
    """Blocks the event loop until `go`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/block":
            self.begun.set()
            self.go.wait(DEADLINE)
        await super().__call__(scope, receive, send)


def test_connection_is_replaced_before_its_start_has_run(start: Start) -> None:
    """Fails without `accepted.close` in `_started`: nothing closed the socket."""
    server = start(Blocking(), max_connections=2)
    first = server.connect()
    first.sendall(post(b"", b"/block"))
    assert server.received.begun.wait(DEADLINE)
    # Accepted together: the second of them replaces `first`, and the third replaces the first of them.
    clients = [server.connect() for _ in range(3)]
    server.received.go.set()
    assert all(is_answered(client, post(b"x")) for client in clients[1:])
    assert rest(clients[0]) == b""
    assert server.refused("too_many_connections") == 1


def test_closed_listener_does_not_accept_after_a_pause() -> None:
    """Fails without `_closed`: a listener without free descriptors listens again during a stop."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as opened:
            sockets = [opened.enter_context(each) for each in bind("ingest", "127.0.0.1:0")]
            connections = Connections(sockets, asyncio.Protocol, make_listener(None))
            client = opened.enter_context(socket.socket())
            free = os.dup(client.fileno())
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            try:
                client.connect(sockets[0].getsockname())
                for _ in range(5):
                    await asyncio.sleep(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            connections.close()
            paused = asyncio.Event()
            loop.call_later(PAUSE, paused.set)
            await paused.wait()
            await asyncio.sleep(0)
            accepted, _ = sockets[0].accept()
            accepted.close()

    run(main())


def test_connection_that_starts_during_the_close_is_lost() -> None:
    """Fails when `close` only cancels the start: a stop under load waited for `shutdown_timeout`."""

    async def main() -> None:
        lost = asyncio.Event()

        class Starting(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                lost.set()

        def make() -> Any:
            connections.close()
            return Starting()

        with ExitStack() as opened:
            sockets = [opened.enter_context(each) for each in bind("ingest", "127.0.0.1:0")]
            connections = Connections(sockets, make, make_listener(None))
            opened.enter_context(socket.create_connection(sockets[0].getsockname(), DEADLINE))
            async with asyncio.timeout(DEADLINE):
                await lost.wait()

    run(main())
