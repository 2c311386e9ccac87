"""Connections that ended leave nothing behind, and those past the limit are refused."""

import asyncio
import gc
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Start, answer, document, eventually, post, rest, status

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
    """Fails when `connection_lost` does not release the transport, cancel the timers, end the pipeline or
    drop the cycle, and when `BufferedConnection` keeps its connection or makes it before a handshake."""
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
    server = start(tls=pair)
    for hello in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"):
        with server.connect() as client:
            client.sendall(hello)
    eventually(lambda: not kept())


def _tls(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
