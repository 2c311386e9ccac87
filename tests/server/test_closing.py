"""Bytes read ahead of the application and after an early answer, and answers that the client does not
read."""

import contextlib
import socket
from typing import Any
from unittest.mock import Mock

import pytest

from exporter.server import closing, serving
from exporter.server.closing import ClosingProtocol, LingeringTransport
from tests.e2e.exporter_process import wait_for
from tests.server.conftest import (
    CHUNKED,
    CHUNKED_REFUSED,
    DEADLINE,
    MIB,
    Files,
    Start,
    answer,
    ask,
    post,
    rest,
    status,
)

CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"


def sent_until_closed(client: socket.socket, part: bytes) -> int:
    """Send the part until the server closes the connection; returns the bytes, 256 MiB at most."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 256 * MIB:
            client.sendall(part)
            sent += len(part)
    return sent


def test_body_is_read_less_than_64_kib_ahead_of_the_application(start: Start, files: Files) -> None:
    """Fails without `READ_AHEAD`, and without the own buffer: uvloop then reads 256,000 bytes at a time."""
    server = start(files=files)
    client = server.client()
    client.settimeout(0.5)
    client.sendall(CHUNKED.replace(b"/", b"/wait", 1))
    with pytest.raises(TimeoutError):
        # More bytes than all buffers between client and application hold.
        client.sendall(CHUNK * 1000)
    server.received.go.set()
    wait_for(lambda: server.received.reads)
    assert 0 < server.received.reads[0] <= 64 * 1024


def test_little_of_a_body_is_read_after_a_refusal(start: Start, files: Files) -> None:
    """Fails without `_lingers`: over TLS 260 MB were read and discarded after the answer."""
    client = start(files=files).client()
    client.sendall(CHUNKED_REFUSED)
    assert sent_until_closed(client, CHUNK) < 64 * MIB
    assert status(answer(client)) == 413


def test_large_body_is_not_reset_while_its_sender_may_read_the_refusal(
    start: Start, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when `_discard` aborts a connection that lingers."""
    monkeypatch.setattr(closing, "LINGER", 3600.0)
    client = start(files=files).client()
    client.settimeout(0.5)
    client.sendall(CHUNKED_REFUSED)
    with pytest.raises(TimeoutError):
        client.sendall(CHUNK * 1000)
    assert status(client.recv(1000)) == 413


def test_refusal_before_the_end_of_the_body_is_readable(start: Start) -> None:
    """Fails without `write_eof` in `_linger`: closing with unread bytes resets the connection."""
    client = start().connect()
    assert ask(client, CHUNKED_REFUSED + CHUNK).endswith(b"no")
    assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("refused", "reason"),
    [(CHUNKED_REFUSED, 413), (b"no HTTP\r\n", 400)],
    ids=["by the application", "by the listener"],
)
def test_nothing_is_served_or_refused_after_a_refusal(
    start: Start, files: Files, refused: bytes, reason: int
) -> None:
    """Fails without `_ignores_input` in `_lingers` over TLS, and in `_finish`: a second request was counted
    and got no answer, or was refused and answered again."""
    server = start(files=files)
    client = server.client()
    assert status(ask(client, refused)) == reason
    client.sendall(b"0\r\n\r\n" + post(b"second"))
    # The server has read the second request when it answers another connection.
    ask(server.client(), post(b"other"))
    assert server.received.bodies == [b"other"]
    assert server.refused("unparseable") == (reason == 400)


def test_upload_that_continues_after_its_answer_is_closed(start: Start, files: Files) -> None:
    """Fails without `_discard`: uvicorn reads and discards any number of bytes."""
    client = start(files=files).client()
    early = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
    assert status(ask(client, early)) == 200
    assert sent_until_closed(client, bytes(65536)) < 64 * MIB


@pytest.mark.parametrize("keep_alive", [75, 0.1])
def test_small_unread_answer_closes_the_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch, keep_alive: float
) -> None:
    """Fails without `pause_writing`, and without `set_write_buffer_limits`: unread answers of less than 64
    KiB were never noticed. With a short keep-alive, fails when `_check` ends with the close of an idle
    connection, or runs without a pause from then on."""
    monkeypatch.setattr(serving, "KEEP_ALIVE", keep_alive)
    checks = 0
    check = ClosingProtocol._check

    def counted(protocol: ClosingProtocol) -> None:
        nonlocal checks
        checks += 1
        check(protocol)

    monkeypatch.setattr(ClosingProtocol, "_check", counted)
    create = socket.create_server

    def small_buffers(*given: Any, **named: Any) -> socket.socket:
        listening = create(*given, **named)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return listening

    monkeypatch.setattr(socket, "create_server", small_buffers)
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
    assert checks < 100


def test_connection_that_lingers_is_closing_until_the_second_close() -> None:
    """Fails when something is written after the first close, and when the second waits again or does
    nothing: a stop would not close the connection."""
    transport = Mock()
    transport.is_closing.return_value = False
    lingering = LingeringTransport(transport, lambda: True)
    lingering.close()
    lingering.write(b"another answer")
    assert lingering.is_closing()
    transport.write.assert_not_called()
    transport.close.assert_not_called()
    lingering.close()
    transport.close.assert_called_once_with()


def test_transport_that_was_aborted_is_closing() -> None:
    """Fails without `_transport` in `is_closing`, and without `is_closing` in `write`: uvicorn notifies only
    the last of pipelined requests that the peer is gone, and uvloop raises on a write after the end."""
    transport = Mock()
    transport.is_closing.return_value = True
    lingering = LingeringTransport(transport, bool)
    assert lingering.is_closing()
    lingering.write(b"answer")
    transport.write.assert_not_called()
