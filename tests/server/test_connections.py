"""Connections that ended leave nothing behind, and those past the limit are refused."""

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.server import protocol
from tests.server.conftest import Start, answer, eventually, post, rest, status

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


def kept() -> Counter[str]:
    names = (type(thing).__name__ for thing in gc.get_objects())
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
    """Ends with a reset, which leaves uvicorn's keep-alive timer running for 75 s."""

    def and_reset(client: socket.socket) -> None:
        use(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return and_reset


LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LARGE = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + bytes(400_000)
USES: dict[str, Callable[[socket.socket], None]] = {
    "nothing": lambda _: None,
    "half a head": send(b"POST / HT", reads=False),
    "half a body": send(post(b"x" * 100)[:-1], reads=False),
    "a request": send(post(b"x")),
    "a request, then a reset": reset(send(post(b"x"))),
    "a large request": send(post(b"x" * 300_000)),
    "a large request that was answered early": send(LARGE),
    "a large answer that is not read": reset(send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")),
    "pipelined requests that are not read": send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 5),
    "no HTTP": send(b"\x00\x01\r\n\r\n"),
    "an upgrade": send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
    "too large a head": send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"),
}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_a_closed_connection_is_freed_without_the_collector(
    start: Start, pair: tuple[Path, Path], with_tls: bool
) -> None:
    """Fails when `connection_lost` does not release the transport, cancel the keep-alive timer, end the
    pipeline or drop the cycle."""
    server = start(tls=pair if with_tls else ())
    clients = [server.connect() for _ in USES]
    if with_tls:
        clients = [_tls(client) for client in clients]
    for client, use in zip(clients, USES.values(), strict=True):
        use(client)
    assert OF_A_CONNECTION - kept().keys() == (set() if with_tls else OF_TLS)
    for client in clients:
        client.close()
    eventually(lambda: not kept())


@pytest.mark.usefixtures("no_collector")
def test_a_failed_handshake_is_freed_without_the_collector(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `BufferedConnection` makes its connection before there is a transport."""
    server = start(tls=pair)
    for _ in range(3):
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            rest(client)
    eventually(lambda: not kept())


@pytest.mark.usefixtures("no_collector")
def test_a_request_that_goes_on_keeps_no_buffers_of_its_closed_connection(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when `release` keeps the transport, or uvicorn's flow control has a reference of its own."""
    begun, go = threading.Event(), threading.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 60)

    server = start(app=late, tls=pair)
    try:
        with _tls(server.connect()) as client:
            client.sendall(post(b"x"))
            assert begun.wait(60)
        eventually(lambda: not kept().keys() & OF_TLS)
        assert kept()["RequestResponseCycle"]
    finally:
        go.set()
    eventually(lambda: not kept())


@pytest.mark.usefixtures("no_collector")
def test_an_upload_over_tls_that_goes_on_after_its_answer_is_closed_and_freed(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails without `_discard`, as its plain version in test_protocol."""
    server = start(tls=pair)
    sent = 0
    with _tls(server.connect()) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        assert status(answer(client)) == 200
        with contextlib.suppress(OSError):
            while sent < 200 * 1024**2:
                sent += client.send(bytes(65536))
    assert sent < 64 * 1024**2
    eventually(lambda: not kept())


@pytest.mark.usefixtures("no_collector")
def test_a_connection_closed_by_its_peer_is_not_kept_until_its_timers_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when `connection_lost` leaves the timer of a connection that lingers."""
    monkeypatch.setattr(protocol, "LINGER", 3600.0)
    server = start()
    with server.connect() as client:
        client.sendall(b"\x00\x01\r\n\r\n")
        assert status(answer(client)) == 400
    eventually(lambda: not kept())


def test_a_connection_past_the_limit_is_refused_and_counted(start: Start) -> None:
    """Fails without the look at `limit` in `_accept`."""
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


def test_a_tls_connection_past_the_limit_is_closed_before_its_handshake(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails when only connections with a finished handshake are counted."""
    server = start(tls=pair, max_connections=2)
    waiting = [server.connect() for _ in range(2)]
    assert rest(server.connect()) == b""
    eventually(lambda: server.refused("too_many_connections") == 1)
    assert server.requests(503) == 0
    for client in waiting:
        client.close()
    eventually(lambda: _greeted(server.connect()))


def test_an_idle_connection_makes_room_for_a_new_one(start: Start) -> None:
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


def test_a_connection_that_was_answered_early_makes_room_for_a_new_one(start: Start) -> None:
    """Fails when `close_if_idle` looks at keep-alive only: 400 uploads without a token closed the listener to
    everybody for a second."""
    server = start(max_connections=2)
    early = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    for _ in range(6):
        client = server.connect()
        client.sendall(early)
        assert status(answer(client)) == 200
    assert server.refused("too_many_connections") == 0


def test_connections_whose_handshake_failed_no_longer_count(
    start: Start, pair: tuple[Path, Path]
) -> None:
    """Fails without the `finally` of `Connections._start`."""
    server = start(tls=pair, max_connections=2)
    for _ in range(5):
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            rest(client)
    eventually(lambda: _greeted(server.connect()))


def _busy(client: socket.socket) -> socket.socket:
    """In the middle of a request, as the server knows once it has asked for the body."""
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    )
    assert status(client.recv(1000)) == 100
    return client


def _greeted(connection: socket.socket) -> bool:
    try:
        _tls(connection).close()
    except OSError:
        return False
    return True


def _tls(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
