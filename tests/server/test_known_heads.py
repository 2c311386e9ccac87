"""Requests whose head was parsed before, through real sockets: they are answered like any other request."""

import socket
from typing import Any, cast

import pytest

from exporter.server.direct import MAX_HEAD, MAX_HEADS, DirectRequest, Headers, KnownHeads
from exporter.server.direct import Start as StartOfRequest
from tests.server.conftest import Start, answer, eventually, rest, status
from tests.server.test_direct import TwoWays, direct


class Asked(TwoWays):
    """Counts the heads that were parsed."""

    asked = 0

    def direct(self, target: bytes, headers: Headers) -> StartOfRequest | None:
        self.asked += 1
        return super().direct(target, headers)


def test_repeated_head_is_parsed_once_for_all_connections(start: Start) -> None:
    server = start(Asked())
    for _ in range(2):
        client = server.connect()
        for body in (b"one", b"two", b""):
            client.sendall(direct(body))
            assert answer(client).endswith(b"direct " + body)
    assert server.received.asked == 2, "one head for three bytes, one for none"


@pytest.mark.parametrize("at", [20, 53, 55])
def test_part_of_a_request_with_a_known_head_waits_for_the_rest(start: Start, at: int) -> None:
    """Fails without the check of the body's length."""
    server = start(Asked())
    client = server.connect()
    client.sendall(direct(b"first"))
    assert answer(client).endswith(b"direct first")
    whole = direct(b"other")
    client.sendall(whole[:at])
    eventually(lambda: not server.received.begun[1:])
    client.sendall(whole[at:])
    assert answer(client).endswith(b" other")


def test_known_head_behind_an_open_request_waits_for_its_answer(start: Start) -> None:
    """Fails when a request with a known head starts while the previous request has no answer."""
    server = start(Asked())
    client = server.connect()
    # Otherwise the kernel sends the third request only when the second one is acknowledged.
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(direct(b"abc"))
    assert answer(client).endswith(b"direct abc")
    client.sendall(direct(b"held", b"X-Hold: 1\r\n"))
    eventually(lambda: server.received.begun == [b"abc", b"held"])
    client.sendall(direct(b"xyz"))
    # The server has read the request above when it answers another connection.
    other = server.connect()
    other.sendall(direct(b"other"))
    assert answer(other).endswith(b"direct other")
    server.received.release()
    received = b""
    while not (b"xyz" in received and b"held" in received):
        received += client.recv(65536)
    assert received.index(b"direct held") < received.index(b" xyz")


def test_known_head_of_a_request_makes_its_connection_busy(start: Start) -> None:
    """Fails when the connection stays idle: a new connection replaced it, and a counted event got no
    answer."""
    server = start(Asked(), max_connections=1)
    client = server.connect()
    held = direct(b"held", b"X-Hold: 1\r\n")
    for count in (1, 2):
        client.sendall(held)
        eventually(lambda count=count: len(server.received.begun) == count)
        assert status(rest(server.connect())) == 503
        server.received.release()
        assert answer(client).endswith(b"direct held")
    assert server.received.asked == 1


def remembered(data: bytes, body: bytes) -> KnownHeads:
    heads = KnownHeads()
    request = DirectRequest(cast("Any", None), cast("Any", None), {b"host": b"a"}, body)
    heads.remember(data, request)
    return heads


def test_head_is_found_with_another_body_of_the_same_length() -> None:
    heads = remembered(direct(b"abc"), b"abc")
    assert heads.find(memoryview(direct(b"xyz"))) == (None, {b"host": b"a"}, b"xyz")
    assert heads.find(direct(b"xyz") + b"\r\n") is None
    assert heads.find(direct(b"xyz")[:-1]) is None
    assert heads.find(direct(b"x")) is None


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
