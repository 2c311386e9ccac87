"""Requests without an ASGI task, through real sockets."""

import asyncio
import select
from collections.abc import Callable
from typing import Any, cast

import pytest

from exporter.server.direct import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADS,
    DirectRequest,
    Headers,
    KnownHeads,
    Respond,
    Start,
)
from tests.e2e.exporter_process import wait_for
from tests.server.conftest import DEADLINE, Echo, answer, ask, post, refuses, rest, status
from tests.server.conftest import Start as StartServer

DIRECT = b"POST /direct HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s"
HOLD = b"X-Hold: 1\r\n"


def direct(body: bytes, header: bytes = b"") -> bytes:
    return DIRECT % (header, len(body), body)


class TwoWays(Echo):
    """Answers without a task with "direct" and the body; an answer to `X-Hold` waits for `release`.

    `asked` counts the heads that were parsed; `started` are the bodies of requests without a task.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.started: list[bytes] = []
        self.clients: list[str] = []
        self._waiting: list[Callable[[], object]] = []

    def direct(self, target: bytes, headers: Headers) -> Start | None:
        self.asked += 1
        return self._start if target == b"/direct" else None

    def _start(self, headers: Headers, client: str, body: bytes, respond: Respond) -> None:
        loop = asyncio.get_running_loop()
        self.clients.append(client)
        text = b"direct " + body
        lines = [(b"content-length", b"%d" % len(text))]
        if b"x-close" in headers:
            lines.append((b"connection", b"close"))
        code = 413 if b"x-close" in headers else 200
        if b"x-hold" in headers:
            self._waiting.append(lambda: loop.call_soon_threadsafe(respond, code, lines, text))
        else:
            loop.call_soon(respond, code, lines, text)
        self.started.append(body)

    def release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for send_answer in waiting:
            send_answer()


def test_small_complete_request_takes_no_task(start: StartServer) -> None:
    server = start(TwoWays())
    client = server.connect()
    for body in (b"first", b"", b"x" * MAX_BODY):
        received = ask(client, direct(body))
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
    server = start(TwoWays())
    server.connect().sendall(request_bytes)
    wait_for(lambda: server.received.bodies)
    assert not server.received.started


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
    second = direct(b"second", HOLD)
    assert ask(client, direct(b"first") + second[:20]).endswith(b"direct first")
    client.sendall(second[20:])
    wait_for(lambda: server.received.started == [b"first", b"second"])
    assert rest(server.connect()) == b""
    server.received.release()
    assert answer(client).endswith(b"direct second")


def test_answer_to_a_peer_that_left_is_dropped(start: StartServer) -> None:
    server = start(TwoWays())
    with server.connect() as client:
        client.sendall(direct(b"gone", HOLD))
        wait_for(lambda: server.received.started == [b"gone"])
    server.received.release()
    assert ask(server.connect(), direct(b"here")).endswith(b"direct here")


def test_stop_waits_for_the_answer(start: StartServer) -> None:
    """Fails when the request is not set as the protocol's cycle: the connection closed without an answer."""
    server = start(TwoWays(), shutdown_timeout=DEADLINE)
    client = server.connect()
    client.sendall(direct(b"counted", HOLD))
    wait_for(lambda: server.received.started == [b"counted"])
    server.stop()
    # The listening socket is closed by then.
    wait_for(lambda: refuses(server.address))
    server.received.release()
    received = rest(client)
    assert received.count(b"connection: close") == 1
    assert received.endswith(b"direct counted")


# --- known heads ----------------------------------------------------------------------------------


def test_repeated_head_is_parsed_once_for_all_connections(start: StartServer) -> None:
    server = start(TwoWays())
    for _ in range(2):
        client = server.connect()
        for body in (b"one", b"two", b""):
            assert ask(client, direct(body)).endswith(b"direct " + body)
    assert server.received.asked == 2, "one head for three bytes, one for none"


@pytest.mark.parametrize("at", [20, 53, 55, -1])
def test_known_head_in_two_reads_waits_for_the_rest(start: StartServer, at: int) -> None:
    """The head ends at byte 53. Fails without the check of the body's length. A request whose head is in the
    second read is complete at that read."""
    client = start(TwoWays()).connect()
    for body in (b"first", b"next"):
        assert ask(client, direct(body)).endswith(b"direct " + body)
        whole = direct(b"other")
        client.sendall(whole[:at])
        # Until the server has read the first part.
        assert select.select([client], [], [], 0.02)[0] == []
        assert ask(client, whole[at:]).endswith(b"other")


@pytest.mark.parametrize(
    ("second", "reason"), [(direct(b"xyz"), "throttled"), (b"}]", "unparseable")]
)
def test_request_before_the_answer_to_the_previous_request_is_refused(
    start: StartServer, second: bytes, reason: str
) -> None:
    """Fails when a request with a known head starts while the previous request has no answer."""
    server = start(TwoWays())
    client = server.connect()
    assert ask(client, direct(b"abc")).endswith(b"direct abc")
    client.sendall(direct(b"held", HOLD))
    wait_for(lambda: server.received.started == [b"abc", b"held"])
    client.sendall(second)
    wait_for(lambda: server.refused(reason) == 1)
    server.received.release()
    received = rest(client)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.endswith(b"direct held")
    assert server.received.started == [b"abc", b"held"]


def test_known_head_of_a_request_makes_its_connection_busy(start: StartServer) -> None:
    """Fails when the connection stays idle: a new connection replaced it, and a counted event got no
    answer."""
    server = start(TwoWays(), max_connections=1)
    client = server.connect()
    held = direct(b"held", HOLD)
    for count in (1, 2):
        client.sendall(held)
        wait_for(lambda count=count: len(server.received.started) == count)
        assert rest(server.connect()) == b""
        server.received.release()
        assert answer(client).endswith(b"direct held")
    assert server.received.asked == 1


def remembered(data: bytes, body: bytes) -> KnownHeads:
    heads = KnownHeads()
    request = DirectRequest(cast("Any", None), cast("Any", None), {b"host": b"a"}, body)
    heads.remember(data, request)
    return heads


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n" + direct(b"abc"),
        direct(b"abc") + b"\r\n",
        direct(b"abc") + direct(b"abc"),
        direct(b"abc").replace(b"\r\n", b"\n"),
        direct(b"abc", b"X: " + b"x" * MAX_HEAD + b"\r\n"),
    ],
    ids=["lines before", "line after", "two requests", "bare newlines", "long head"],
)
def test_read_that_is_not_one_plain_request_is_not_remembered(data: bytes) -> None:
    heads = remembered(data, b"abc")
    assert heads.find(data) is None
    assert heads.find(direct(b"abc")) is None
    assert heads.find(data[:-7] + b"\r\n\r\nabc") is None


def test_number_of_known_heads_is_bounded() -> None:
    """Fails without `MAX_HEADS`: a sender with a new header in each request filled the memory."""
    heads = KnownHeads()
    texts = [direct(b"abc", b"X: %d\r\n" % number) for number in range(2 * MAX_HEADS)]
    for text in texts:
        heads.remember(text, DirectRequest(cast("Any", None), cast("Any", None), {}, b"abc"))
    assert 0 < sum(heads.find(text) is not None for text in texts) <= MAX_HEADS
