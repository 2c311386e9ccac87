"""How long a connection may take for its request, and for reading its answer."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from exporter.server.limits import Refusals
from tests.server.conftest import DEADLINE, Start, answer, document, post, rest, status


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"\r\n",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_request_that_stops_arriving_is_answered_408(start: Start, begun: bytes) -> None:
    """Fails without `_check`: uvicorn waits without end."""
    server = start(receive_timeout=0.2)
    reply = server.exchange(begun)
    assert status(reply) == 408
    assert document(reply)["reason"] == "timeout"
    assert server.refused("timeout") == 1
    assert server.requests(408) == 1


def test_a_deadline_is_looked_at_again_after_a_look_that_failed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log call that raised left the connection open for good. Fails without the `finally` in `_check`."""
    refused, failures = Refusals.refused, [OSError("log not written")]

    def fail_once(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        refused(*arguments)

    monkeypatch.setattr(Refusals, "refused", fail_once)
    assert status(start(receive_timeout=0.2).exchange(b"GET / HTTP/1.1\r\n")) == 408
    assert not failures


@pytest.mark.parametrize("drip", [b"x", b"X: y\r\n", b"\r\n"])
def test_a_head_that_drips_is_answered_408(start: Start, drip: bytes) -> None:
    """Fails with a deadline that every byte moves, such as a keep-alive timer."""
    server = start(receive_timeout=0.5)
    first = b"" if drip == b"\r\n" else b"GET / HTTP/1.1\r\nA: b\r\n"
    assert status(_drip(server.connect(), first, drip)) == 408


def test_a_body_that_drips_is_answered_408(start: Start) -> None:
    server = start(receive_timeout=0.5)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    assert status(_drip(server.connect(), head, b"x")) == 408


def _drip(client: socket.socket, first: bytes, drip: bytes) -> bytes:
    client.sendall(first)
    client.settimeout(0.02)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            client.sendall(drip)
            got = client.recv(65536)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            return b"HTTP/1.1 0 closed unanswered"
        client.settimeout(DEADLINE)
        return got
    raise AssertionError("still open")


def test_a_second_request_has_a_deadline_of_its_own(start: Start) -> None:
    server = start(receive_timeout=1)
    with server.connect() as client:
        client.sendall(post(b"one"))
        answer(client)
        client.sendall(b"GET / HTTP")
        assert status(rest(client)) == 408


def test_a_connection_idle_between_requests_has_no_deadline(start: Start) -> None:
    """Fails when the deadline of a finished request is left standing."""
    server = start(receive_timeout=0.5)
    client, other = server.connect(), server.connect()
    client.sendall(post(b"one"))
    answer(client)
    for _ in range(3):
        # Each of these takes one receive_timeout of the server's own clock.
        assert status(rest(other)) == 408
        other = server.connect()
    client.sendall(post(b"two"))
    assert answer(client).endswith(b"two")


def test_a_client_that_does_not_read_its_answer_is_dropped(start: Start) -> None:
    """Fails without `pause_writing`'s deadline, which `_check` alone finds one timeout later:
    uvicorn keeps 32 MiB for as long as the client stays."""
    server = start(receive_timeout=0.5)
    with server.connect() as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(10)
        # A connection made after the answer began has its own deadline after the answer's.
        assert status(rest(server.connect())) == 408
        assert len(rest(client)) < 32 * 1024**2


def test_an_application_slow_to_read_is_not_held_against_its_client(start: Start) -> None:
    """Fails without the look at `read_paused` in `_check`."""
    go = threading.Event()
    got: list[int] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(go.wait, DEADLINE)
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        got.append(size)
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body", "body": b""})

    server = start(receive_timeout=0.5, app=slow)
    # More than the kernel holds on the way, and no more: what is left is to arrive in time.
    body = bytes(12 * 1024**2)
    client = server.connect()
    sender = threading.Thread(target=client.sendall, args=(post(body),))
    sender.start()
    for _ in range(3):
        assert status(rest(server.connect())) == 408
    go.set()
    assert status(answer(client)) == 200
    sender.join(DEADLINE)
    assert got == [len(body)]
