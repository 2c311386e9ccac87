"""How much is read before anyone asked for it, and after nobody will."""

import asyncio
import logging
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from exporter.server import sockets
from tests.server.conftest import DEADLINE, Start, answer, post, rest, status

MIB = 1024**2
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_a_body_is_read_less_than_64_kib_ahead_of_the_application(
    start: Start, pair: tuple[Path, Path], with_tls: bool
) -> None:
    """Fails without `READ_AHEAD`, and with the 256,000 bytes that uvloop reads without a buffer."""
    go = threading.Event()
    got: list[int] = []

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(go.wait, DEADLINE)
        got.append(len((await receive())["body"]))

    server = start(app=late, tls=pair if with_tls else ())
    with _client(server.connect(), with_tls) as client:
        client.settimeout(0.5)
        client.sendall(CHUNKED)
        with pytest.raises(TimeoutError):
            # More than all buffers on the way hold: nobody takes it from them.
            client.sendall(CHUNK * 1000)
        go.set()
        client.settimeout(DEADLINE)
        rest(client)
    assert len(got) == 1
    assert 0 < got[0] <= 64 * 1024


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Answers 413 before it has read anything."""
    headers = [(b"content-length", b"2"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_what_follows_a_refusal_is_not_read(
    start: Start, pair: tuple[Path, Path], with_tls: bool
) -> None:
    """Fails without `_lingers`: over TLS 260 MB were read and thrown away after the answer."""
    server = start(app=refusing, tls=pair if with_tls else ())
    sent = 0
    with _client(server.connect(), with_tls) as client:
        client.sendall(CHUNKED)
        try:
            while sent < 256 * MIB:
                client.sendall(CHUNK)
                sent += len(CHUNK)
        except OSError:
            pass
        assert status(answer(client)) == 413
    assert sent < 64 * MIB


def test_a_refusal_before_the_body_s_end_is_no_reset_for_the_sender(start: Start) -> None:
    """Fails without `_lingers`: closing on bytes not yet read resets the connection."""
    server = start(app=refusing)
    with server.connect() as client:
        client.sendall(CHUNKED + CHUNK)
        assert answer(client).endswith(b"no")
        assert client.recv(1) == b""


def test_pipelined_requests_of_a_peer_that_was_dropped_are_no_defect(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without the look at `is_closing` in `JoinedTransport.write`: uvicorn tells only the last of
    them that the peer has gone, and the answers to the others raised."""
    server = start(receive_timeout=0.5)
    with caplog.at_level(logging.ERROR), server.connect() as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
        client.recv(10)
        assert status(rest(server.connect())) == 408
        assert len(rest(client)) < 32 * MIB
        other = server.connect()
        for _ in range(5):
            # Each takes turns of the loop, in which the answers to the others would be written.
            other.sendall(post(b"x"))
            answer(other)
    assert not caplog.records


def test_a_small_answer_that_is_not_read_is_noticed_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `set_write_buffer_limits`: less than 64 KiB that wait were never known to wait."""
    made = sockets._listen

    def small(*given: Any) -> socket.socket:
        found = made(*given)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return found

    monkeypatch.setattr(sockets, "_listen", small)
    server = start(receive_timeout=0.5)
    body = bytes(65536)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(DEADLINE)
        client.connect(server.address)
        client.sendall(post(body))
        assert client.recv(10)
        assert status(rest(server.connect())) == 408
        assert 0 < len(rest(client)) < len(body)


def _client(connection: socket.socket, with_tls: bool) -> socket.socket:
    if not with_tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
