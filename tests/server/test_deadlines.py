"""Row 12 of the fault table: how long a request may take to arrive, and its answer to be read."""

import threading
from unittest.mock import Mock

import pytest

from exporter.server import serving
from exporter.server.listener import Listener
from tests.server.conftest import (
    CHUNKED,
    DEADLINE,
    MIB,
    Running,
    Start,
    ask,
    post,
    problem_of,
    rest,
    status,
)


def wait_for_a_timeout(server: Running) -> None:
    """Wait one `receive_timeout` by the server's clock: until a new connection is timed out."""
    assert status(rest(server.connect())) == 408


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        (b"", 408),
        (b"\r\n", 408),
        (b"GET / HT", 408),
        (post(b"half")[:-1], 408),
        (CHUNKED + b"5\r\nhello\r\n", 408),
        # After a 408, OTLP clients drop the records.
        (post(b"half")[:-1].replace(b" / ", b" /v1/logs ", 1), 503),
    ],
    ids=["nothing", "blank line", "part of a head", "part of a body", "part of the chunks", "OTLP"],
)
def test_request_that_stops_arriving_is_answered_408_or_503(
    start: Start, begun: bytes, expected: int
) -> None:
    """Fails without `_check`: uvicorn waits forever."""
    server = start(receive_timeout=0.2)
    reply = server.exchange(begun)
    assert status(reply) == expected
    assert problem_of(reply)["reason"] == "timeout"
    assert (b"retry-after: 1" in reply) is (expected == 503)
    assert server.refused("timeout") == server.requests(expected) == 1


def test_body_that_stops_arriving_after_its_answer_gets_no_second_answer(start: Start) -> None:
    """Fails without `response_complete` in `_refuse_late`: the sender got a 408 for its next request."""
    server = start(receive_timeout=0.2)
    client = server.connect()
    early = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    assert status(ask(client, early)) == 200
    assert rest(client) == b""
    assert server.refused("timeout") == 0


def test_deadline_is_checked_again_after_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `finally` in `_check`: after a log call that raised, the connection stayed open
    forever."""
    refused = Mock(side_effect=[OSError("log not written"), None])
    monkeypatch.setattr(Listener, "refused", refused)
    assert status(start(receive_timeout=0.2).exchange(b"GET / HTTP/1.1\r\n")) == 408
    assert refused.call_count == 2


def test_idle_connection_has_no_deadline_and_its_next_request_has(start: Start) -> None:
    """Fails when the deadline of a finished request remains."""
    server = start(receive_timeout=0.5)
    client = server.connect()
    ask(client, post(b"first"))
    for _ in range(2):
        wait_for_a_timeout(server)
    assert ask(client, post(b"second")).endswith(b"second")
    client.sendall(b"GET / HTTP")
    assert status(rest(client)) == 408


def test_slow_application_does_not_time_out_its_client(start: Start) -> None:
    """Fails without `read_paused` in `_refuse_late`."""
    server = start(receive_timeout=0.5)
    # More than the kernel buffers, but little enough to arrive in time.
    body = bytes(12 * MIB)
    client = server.connect()
    sender = threading.Thread(target=client.sendall, args=(post(body, b"/wait"),))
    sender.start()
    for _ in range(2):
        wait_for_a_timeout(server)
    server.received.go.set()
    # Not the whole answer: reading it takes longer than the timeout.
    assert status(client.recv(100)) == 200
    assert server.received.bodies == [body]
    sender.join(DEADLINE)


def test_idle_connection_is_closed_after_the_keep_alive_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `_idle_deadline` in `_check`."""
    monkeypatch.setattr(serving, "KEEP_ALIVE", 0.1)
    client = start().connect()
    assert ask(client, post(b"x")).endswith(b"x")
    assert rest(client) == b""


@pytest.mark.parametrize("begun", [b"", b"GET / HT"], ids=["nothing", "part of a head"])
def test_keep_alive_time_is_no_limit_for_a_request(
    start: Start, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Fails without `IDLE` in `_check`: the connection closed without an answer."""
    monkeypatch.setattr(serving, "KEEP_ALIVE", 0.1)
    client = start(receive_timeout=0.5).connect()
    if begun:
        ask(client, post(b"x"))
    client.sendall(begun)
    assert status(rest(client)) == 408
