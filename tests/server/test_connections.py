"""Closed connections are freed, and connections over the limit are refused."""

import asyncio
import contextlib
import gc
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.server import protocol
from tests.server.conftest import Start, answer, eventually, post, rest, status, tls

OF_TLS = {"SSLProtocol", "_SSLProtocolTransport"}
OF_A_CONNECTION = OF_TLS | {
    "BufferedConnection",
    "GuardedProtocol",
    "HttpRequestParser",
    "JoinedTransport",
    "RequestResponseCycle",
    "TCPTransport",
}
"""Types of which a server has instances only while it has connections."""

plain_and_tls = pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])


def alive() -> Counter[str]:
    names = (type(item).__name__ for item in gc.get_objects())
    return Counter(name for name in names if name in OF_A_CONNECTION)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def send(request: bytes, reads: bool = True) -> Callable[[socket.socket], None]:
    def use(client: socket.socket) -> None:
        client.sendall(request)
        if reads:
            assert client.recv(1000)

    return use


def reset(use: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Ends with a reset, after which uvicorn's keep-alive timer runs on for 75 s."""

    def use_and_reset(client: socket.socket) -> None:
        use(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return use_and_reset


LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + bytes(400_000)
USES: dict[str, Callable[[socket.socket], None]] = {
    "nothing": lambda _: None,
    "part of a head": send(b"POST / HT", reads=False),
    "part of a body": send(post(b"x" * 100)[:-1], reads=False),
    "a request": send(post(b"x")),
    "a request, then a reset": reset(send(post(b"x"))),
    "a large request": send(post(b"x" * 300_000)),
    "an early answer": send(EARLY),
    "a large unread answer": reset(send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")),
    "unread pipelined answers": send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 5),
    "no HTTP": send(b"\x00\x01\r\n\r\n"),
    "an upgrade": send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
    "a large head": send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"),
}


@pytest.mark.usefixtures("no_collector")
@plain_and_tls
def test_closed_connection_is_freed_without_the_collector(
    start: Start, pair: tuple[Path, Path], with_tls: bool
) -> None:
    """Fails when `connection_lost` does not release the transport, cancel the timers, clear the pipeline or
    drop the cycle."""
    server = start(files=pair if with_tls else ())
    clients = [tls(server.connect()) if with_tls else server.connect() for _ in USES]
    for client, use in zip(clients, USES.values(), strict=True):
        use(client)
    assert OF_A_CONNECTION - alive().keys() == (set() if with_tls else OF_TLS)
    for client in clients:
        client.close()
    eventually(lambda: not alive())


@pytest.mark.usefixtures("no_collector")
def test_failed_handshake_is_freed_and_no_longer_counted(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `BufferedConnection` makes its protocol before there is a transport, and without the
    `finally` of `Connections._start`."""
    server = start(files=pair, max_connections=2)
    for _ in range(5):
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            rest(client)
    eventually(lambda: not alive())
    eventually(lambda: _accepts_tls(server.connect()))


@pytest.mark.usefixtures("no_collector")
def test_request_that_runs_on_keeps_no_buffers_of_its_closed_connection(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `release` keeps the transport, or uvicorn's flow control has a reference of its own."""
    begun, go = threading.Event(), threading.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 60)

    server = start(app=late, files=pair)
    try:
        with tls(server.connect()) as client:
            client.sendall(post(b"x"))
            assert begun.wait(60)
        eventually(lambda: not alive().keys() & OF_TLS)
        assert alive()["RequestResponseCycle"]
    finally:
        go.set()
    eventually(lambda: not alive())


@plain_and_tls
def test_upload_that_continues_after_its_answer_is_closed(
    start: Start, pair: tuple[Path, Path], with_tls: bool
) -> None:
    """Fails without `_discard`: uvicorn discards as much as is sent."""
    server = start(files=pair if with_tls else ())
    sent = 0
    with tls(server.connect()) if with_tls else server.connect() as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        assert status(answer(client)) == 200
        with contextlib.suppress(OSError):
            while sent < 200 * 1024**2:
                sent += client.send(bytes(65536))
    assert sent < 64 * 1024**2


@pytest.mark.usefixtures("no_collector")
def test_closed_connection_does_not_wait_for_its_linger_timer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when `connection_lost` leaves the timer of a connection that lingers."""
    monkeypatch.setattr(protocol, "LINGER", 3600.0)
    server = start()
    with server.connect() as client:
        client.sendall(b"\x00\x01\r\n\r\n")
        assert status(answer(client)) == 400
    eventually(lambda: not alive())


def test_connection_over_the_limit_is_refused_and_counted(start: Start) -> None:
    """Fails without the check of `limit` in `_accept`."""
    server = start(max_connections=2)
    busy = [_busy(server.connect()) for _ in range(2)]
    for _ in range(2):
        reply = server.exchange(b"")
        assert status(reply) == 503
        assert b'"reason":"too_many_connections"' in reply
        assert b"retry-after: 1\r\n" in reply
    eventually(lambda: server.refused("too_many_connections") == server.requests(503) == 2)
    for client in busy:
        client.sendall(b"x")
        assert status(answer(client)) == 200
    busy[0].close()
    eventually(lambda: status(server.exchange(LAST)) == 200)


def test_tls_connection_over_the_limit_is_closed_before_its_handshake(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when only connections with a finished handshake are counted."""
    server = start(files=pair, max_connections=2)
    waiting = [server.connect() for _ in range(2)]
    assert rest(server.connect()) == b""
    eventually(lambda: server.refused("too_many_connections") == 1)
    assert server.requests(503) == 0
    for client in waiting:
        client.close()
    eventually(lambda: _accepts_tls(server.connect()))


def test_oldest_idle_connection_is_replaced_at_the_limit(start: Start) -> None:
    """Fails without `_close_idle`: a browser keeps a connection for minutes after a single request."""
    server = start(max_connections=3)
    busy = _busy(server.connect())
    older, newer = server.connect(), server.connect()
    for client in (older, newer):
        client.sendall(post(b"x"))
        answer(client)
    other = server.connect()
    other.sendall(post(b"y"))
    assert status(answer(other)) == 200
    assert older.recv(1) == b""
    for client, body in ((newer, post(b"z")), (busy, b"x")):
        client.sendall(body)
        assert status(answer(client)) == 200
    assert server.refused("too_many_connections") == 0


def test_connection_with_an_early_answer_is_idle(start: Start) -> None:
    """Fails when `close_if_idle` checks keep-alive only: 400 uploads without a token blocked the listener
    for a second."""
    server = start(max_connections=2)
    early = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    for _ in range(6):
        client = server.connect()
        client.sendall(early)
        assert status(answer(client)) == 200
    assert server.refused("too_many_connections") == 0


def _busy(client: socket.socket) -> socket.socket:
    """In a request: the server has asked for the body."""
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    )
    assert status(client.recv(1000)) == 100
    return client


def _accepts_tls(connection: socket.socket) -> bool:
    try:
        tls(connection).close()
    except OSError:
        return False
    return True
