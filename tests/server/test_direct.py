"""Requests without an ASGI task, through real sockets. The answer says whether a task ran."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from exporter.server.direct import MAX_BODY, Headers, Respond, Start
from exporter.server.listeners import serve
from tests.server.conftest import (
    DEADLINE,
    answer,
    eventually,
    make_listener,
    post,
    refuses,
    respond,
    rest,
    status,
)
from tests.server.conftest import Start as StartServer

DIRECT = b"POST /direct HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s"


def direct(body: bytes, header: bytes = b"") -> bytes:
    return DIRECT % (header, len(body), body)


class TwoWays:
    """Answers with "direct" or "task" and the body; answers to requests with `X-Hold` wait for `release`."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.clients: list[str] = []
        self._waiting: list[Callable[[], object]] = []

    def direct(self, target: bytes, headers: Headers) -> Start | None:
        return self._start if target == b"/direct" else None

    def _start(self, headers: Headers, client: str, body: bytes, respond: Respond) -> None:
        loop = asyncio.get_running_loop()
        self.begun.append(body)
        self.clients.append(client)
        text = b"direct " + body
        lines = [(b"content-length", b"%d" % len(text))]
        if b"x-close" in headers:
            lines.append((b"connection", b"close"))
        code = 413 if b"x-close" in headers else 200
        if b"x-hold" in headers:
            self._waiting.append(
                lambda: loop.call_soon_threadsafe(respond, code, lines, text),
            )
        else:
            loop.call_soon(respond, code, lines, text)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await respond(send, b"task " + body)

    def release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for send_answer in waiting:
            send_answer()


def test_small_complete_request_takes_no_task(start: StartServer) -> None:
    server = start(TwoWays())
    client = server.connect()
    for body in (b"first", b"", b"x" * MAX_BODY):
        client.sendall(direct(body))
        received = answer(client)
        assert received.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert received.endswith(b"\r\n\r\ndirect " + body)
        assert b"connection: close" not in received
    assert server.received.clients == ["127.0.0.1"] * 3


@pytest.mark.parametrize(
    "request_bytes",
    [
        direct(b"x" * (MAX_BODY + 1)),
        direct(b"late", b"Expect: 100-continue\r\n"),
        direct(b"old").replace(b"HTTP/1.1", b"HTTP/1.0"),
        direct(b"kept", b"Connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
        direct(b"last", b"Connection: close\r\n"),
        direct(b"upgrade", b"Connection: Upgrade\r\nUpgrade: h2c\r\n").replace(b"POST", b"PUT"),
        direct(b"put").replace(b"POST", b"PUT"),
        post(b"other"),
        b"POST /direct HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
    ids=["large", "expect", "1.0", "1.0 keep-alive", "close", "upgrade", "PUT", "path", "chunked"],
)
def test_other_request_takes_a_task(start: StartServer, request_bytes: bytes) -> None:
    client = start(TwoWays()).connect()
    client.sendall(request_bytes)
    received = b""
    while b"\r\n\r\ntask " not in received:
        received += client.recv(65536)
    assert b"direct" not in received


@pytest.mark.parametrize("at", [20, 60, -1])
def test_request_in_two_reads_takes_a_task(start: StartServer, at: int) -> None:
    """The head ends at byte 53. A request whose head is in the second read is complete at that read."""
    server = start(TwoWays())
    client = server.connect()
    whole = direct(b"in two parts")
    client.sendall(whole[:at])
    eventually(lambda: not server.received.begun)
    client.sendall(whole[at:])
    assert answer(client).partition(b"\r\n\r\n")[2] in (
        b"task in two parts",
        b"direct in two parts",
    )
    client.sendall(direct(b"next"))
    assert answer(client).endswith(b"direct next")


def test_pipelined_requests_of_both_ways_are_answered_in_order(start: StartServer) -> None:
    server = start(TwoWays())
    client = server.connect()
    client.sendall(direct(b"000", b"X-Hold: 1\r\n") + post(b"001") + direct(b"002") + post(b"003"))
    eventually(lambda: server.received.begun == [b"000"])
    server.received.release()
    received = b""
    while not received.endswith(b"003"):
        received += client.recv(65536)
    ways = re.findall(rb"\r\n\r\n(\w+) (\d{3})", received)
    assert ways == [(b"direct", b"000"), (b"task", b"001"), (b"task", b"002"), (b"task", b"003")]


def test_answer_that_closes_ends_the_connection(start: StartServer) -> None:
    received = start(TwoWays()).exchange(direct(b"x", b"X-Close: 1\r\n"))
    assert status(received) == 413
    assert received.count(b"connection: close") == 1
    assert received.endswith(b"direct x")


def test_connection_with_a_request_is_not_replaced_after_an_answer_in_its_head(
    start: StartServer,
) -> None:
    """Fails when the earlier answer makes the connection idle: the counted event got no answer."""
    server = start(TwoWays(), max_connections=1)
    client = server.connect()
    second = direct(b"second", b"X-Hold: 1\r\n")
    client.sendall(direct(b"first") + second[:20])
    assert answer(client).endswith(b"direct first")
    client.sendall(second[20:])
    eventually(lambda: server.received.begun == [b"first", b"second"])
    assert status(rest(server.connect())) == 503
    server.received.release()
    assert answer(client).endswith(b"direct second")


def test_answer_to_a_peer_that_left_is_dropped(start: StartServer) -> None:
    server = start(TwoWays())
    with server.connect() as client:
        client.sendall(direct(b"gone", b"X-Hold: 1\r\n"))
        eventually(lambda: server.received.begun == [b"gone"])
    server.received.release()
    other = server.connect()
    other.sendall(direct(b"here"))
    assert answer(other).endswith(b"direct here")


def test_malformed_request_does_not_take_the_answer_of_a_held_one(start: StartServer) -> None:
    server = start(TwoWays())
    client = server.connect()
    client.sendall(direct(b"counted", b"X-Hold: 1\r\n") + b"not http\r\n\r\n")
    eventually(lambda: server.refused("unparseable") == 1)
    server.received.release()
    received = rest(client)
    assert received.count(b"HTTP/1.1") == 1
    assert received.endswith(b"direct counted")


def test_stop_waits_for_the_answer() -> None:
    """Fails when the request is not set as the protocol's cycle: the connection closed without an answer."""
    app = TwoWays()

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        ready: asyncio.Future[Any] = loop.create_future()
        serving = asyncio.create_task(serve([make_listener(app)], DEADLINE, ready.set_result, stop))
        with socket.create_connection((await ready)["ingest"], DEADLINE) as client:
            client.sendall(direct(b"counted", b"X-Hold: 1\r\n"))
            await asyncio.to_thread(eventually, lambda: app.begun == [b"counted"])
            stop.set()
            # The listening socket is closed by then.
            await asyncio.to_thread(eventually, lambda: refuses(client.getpeername()))
            assert not serving.done()
            app.release()
            received = await asyncio.to_thread(rest, client)
        assert received.count(b"connection: close") == 1
        assert received.endswith(b"direct counted")
        await serving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
