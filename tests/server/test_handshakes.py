"""Failed TLS handshakes are counted under one reason, and logged with the peer and the cause."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.exporter_process import wait_for
from tests.server.conftest import DEADLINE, Start, rest


def plain_http(peer: socket.socket) -> None:
    peer.sendall(b"GET / HTTP/1.1\r\n\r\n")


def distrusting(peer: socket.socket) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(peer, server_hostname="localhost")


def silent(peer: socket.socket) -> None:
    assert rest(peer) == b""


@pytest.mark.parametrize(
    ("peer", "cause"),
    [
        (plain_http, "http request"),
        (distrusting, "alert unknown ca"),
        (silent, "handshake is taking longer than 0.5 seconds"),
    ],
)
def test_failed_handshake_is_counted_and_logged_but_no_connect_and_close(
    start: Start,
    pair: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
    peer: Callable[[socket.socket], None],
    cause: str,
) -> None:
    """Fails when each `OSError` is counted: a load balancer's health check would open a ticket. Fails without
    `ssl_handshake_timeout`: a silent peer stays for 60 s."""
    server = start(files=pair, receive_timeout=0.5 if peer is silent else DEADLINE)
    server.connect().close()
    peer(server.connect())
    wait_for(lambda: server.refused("tls_handshake"))
    server.stop()
    server.join()
    assert server.refused("tls_handshake") == 1
    (line,) = (each for each in caplog.records if each.message == "request refused")
    assert line.fields["client"] == "127.0.0.1"
    assert cause in line.fields["detail"]
