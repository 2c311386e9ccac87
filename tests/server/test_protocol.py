"""Requests that are served or refused, through real sockets; test_deadlines.py tests deadlines."""

import contextlib
import select
from typing import Any

import pytest

from tests.server.conftest import (
    CHUNKED,
    DEADLINE,
    Echo,
    Start,
    answer,
    ask,
    post,
    problem_of,
    rest,
    status,
)


def batched(request: bytes, parts: int) -> list[bytes]:
    size = -(-len(request) // parts)
    return [request[at : at + size] for at in range(0, len(request), size)]


# --- requests that are served ---------------------------------------------------------------------


def test_chunked_body_arrives_whole(start: Start) -> None:
    client = start().connect()
    for part in (CHUNKED, b"5\r\nhello\r\n"):
        client.sendall(part)
    assert ask(client, b"6\r\n world\r\n0\r\n\r\n").endswith(b"hello world")


def test_body_does_not_count_against_the_header_limit(start: Start) -> None:
    """Fails when `_request_continues` counts bytes of the body."""
    client = start(max_header=1024).connect()
    body = b"x" * 300_000
    for _ in range(3):
        assert ask(client, post(body)).endswith(body)
    both = post(body) + post(b"next")
    assert ask(client, both[:-40]).endswith(body)
    assert ask(client, both[-40:]).endswith(b"next")


def test_heads_in_parts_are_counted_separately(start: Start) -> None:
    """Fails without the reset of the count in `data_received`."""
    client = start(max_header=1024).connect()
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600 + b"\r\n\r\n"
    for _ in range(5):
        client.sendall(head[:500])
        # Until the server has read the first part.
        assert select.select([client], [], [], 0.02)[0] == []
        assert status(ask(client, head[500:])) == 200


@pytest.mark.parametrize("parts", [1, 3])
def test_upgrade_request_is_served_without_upgrade(start: Start, parts: int) -> None:
    """Fails without `_continue_without_upgrade`: httptools drops the body. Java's HttpClient asks for
    upgrades."""
    server = start()
    client = server.connect()
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAAB\r\nX-Kept: yes\r\nContent-Length: 5\r\n\r\nhello"
    )
    for part in batched(request, parts):
        client.sendall(part)
    assert answer(client).endswith(b"hello")
    assert b"upgrade" not in server.received.headers[0]
    assert server.received.headers[0][b"x-kept"] == b"yes"
    assert ask(client, post(b"again")).endswith(b"again")


def test_early_answer_to_a_small_body_keeps_the_connection(start: Start) -> None:
    client = start().connect()
    early = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    assert status(ask(client, early)) == 200
    assert ask(client, b"x" * 100_000 + post(b"next")).endswith(b"next")


# --- the header limit -----------------------------------------------------------------------------


LONG_HEADER = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 8000 + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "parts"),
    [
        (LONG_HEADER, 1),
        (LONG_HEADER, 40),
        (b"GET /" + b"a" * 8000, 1),
        (b"\r\n" * 4000, 1),
        (CHUNKED + b"0\r\nX-Trailer: " + b"x" * 20_000, 40),
        (CHUNKED + b"5;extension=" + b"x" * 20_000, 40),
    ],
    ids=["1 part", "40 parts", "line", "blank lines", "trailer", "chunk extension"],
)
def test_head_over_the_limit_is_answered_431(start: Start, head: bytes, parts: int) -> None:
    """Fails without the checks in `on_headers_complete` (one part) and `_request_continues` (several)."""
    server = start(max_header=4096)
    with server.connect() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in batched(head, parts):
                client.sendall(part)
        reply = rest(client)
    assert status(reply) == 431
    assert problem_of(reply)["reason"] == "headers_too_large"
    assert server.refused("headers_too_large") == server.requests(431) == 1
    assert not server.received.bodies


def test_head_at_the_limit_is_served(start: Start) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: "
    head += b"x" * (4096 - len(head) - 4) + b"\r\n\r\n"
    assert status(start(max_header=4096).exchange(head)) == 200


def test_trailers_do_not_become_headers(start: Start) -> None:
    """Fails without the new list in `_start_task`."""
    server = start()
    ask(server.connect(), CHUNKED + b"0\r\nAuthorization: Bearer forged\r\n\r\n")
    assert b"authorization" not in server.received.headers[0]


# --- input that is not HTTP -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        CHUNKED + b"zz\r\n",
    ],
)
def test_input_that_is_not_http_is_answered_400(start: Start, request_bytes: bytes) -> None:
    """Fails without `_refuse`: uvicorn answers in plain text and counts nothing."""
    server = start()
    reply = server.exchange(request_bytes)
    assert status(reply) == 400
    assert problem_of(reply)["reason"] == "unparseable"
    assert server.refused("unparseable") == 1
    assert not server.received.bodies


@pytest.mark.parametrize(
    "header",
    [
        b"Transfer-Encoding: gzip, chunked",
        b"TRANSFER-ENCODING: GZIP, CHUNKED",
        b"transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        b"Transfer-Encoding: gzip, chunked\r\nConnection: upgrade\r\nUpgrade: h2c",
    ],
    ids=["one line", "upper case", "two lines", "upgrade"],
)
def test_transfer_encoding_other_than_chunked_is_answered_400(start: Start, header: bytes) -> None:
    """Fails without the check in `on_headers_complete`: the application read the compressed bytes."""
    server = start()
    reply = server.exchange(CHUNKED.replace(b"Transfer-Encoding: chunked", header) + b"0\r\n\r\n")
    assert status(reply) == 400
    assert b"Transfer-Encoding must be chunked" in reply
    assert server.refused("unparseable") == 1
    assert not server.received.bodies


class Started(Echo):
    """Starts its answer, and completes it after `go`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._wait()


def test_malformed_body_is_not_answered_inside_of_an_answer(start: Start) -> None:
    """Fails without `response_started` in `_refuse`: its sender read the refusal as part of the answer."""
    server = start(Started())
    with server.connect() as client:
        client.sendall(CHUNKED)
        assert server.received.begun.wait(DEADLINE)
        client.sendall(b"zz\r\n")
        # The application waits for more of the body: the connection does not.
        client.settimeout(DEADLINE / 2)
        received = rest(client)
    server.received.go.set()
    assert b"HTTP/1.1 400" not in received
    assert server.refused("unparseable") == 1


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b"nonsense\r\n\r\n", "unparseable"),
        # A Content-Length in characters instead of bytes leaves the end of the body.
        (b"}]", "unparseable"),
        # uvicorn would make 14,000 requests of a single read of 250 KB.
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000, "throttled"),
    ],
    ids=["nonsense", "short length", "pipelined"],
)
def test_connection_ends_after_the_answer_before_a_refused_request(
    start: Start, second: bytes, reason: str
) -> None:
    """Fails if `_refuse` answers or aborts at once: a sender would lose, or repeat, counted events."""
    server = start()
    received = server.exchange(post(b"first") + second)
    assert status(received) == 200
    assert received.endswith(b"first")
    assert received.count(b"HTTP/1.1 ") == 1
    assert server.received.bodies == [b"first"]
    assert server.refused(reason) == 1
