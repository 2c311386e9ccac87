"""Each guard of a connection, seen from the other end of the wire; the deadlines are in test_deadlines."""

import re
import select

import pytest

from tests.server.conftest import Start, answer, document, eventually, post, rest, status

# --- what must go on working ----------------------------------------------------------------------


def test_a_connection_is_kept_for_the_next_request(start: Start) -> None:
    server = start()
    client = server.connect()
    for body in (b"one", b"two"):
        client.sendall(post(body))
        assert answer(client).endswith(b"\r\n\r\n" + body)
    assert server.seen.bodies == [b"one", b"two"]


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    server = start()
    client = server.connect()
    client.sendall(b"".join(post(b"%03d" % number) for number in range(50)))
    got = b""
    while got.count(b"\r\n\r\n") < 50 or not got.endswith(b"049"):
        got += client.recv(65536)
    assert re.findall(rb"\r\n\r\n(\d{3})", got) == [b"%03d" % number for number in range(50)]


def test_a_chunked_body_arrives_whole(start: Start) -> None:
    server = start()
    client = server.connect()
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.sendall(b"5\r\nhello\r\n")
    client.sendall(b"6\r\n world\r\n0\r\n\r\n")
    assert answer(client).endswith(b"hello world")


def test_expect_100_continue_is_answered_before_the_body(start: Start) -> None:
    server = start()
    client = server.connect()
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"ok")
    assert answer(client).endswith(b"ok")


def test_a_body_larger_than_the_header_limit_is_no_header(start: Start) -> None:
    """Fails when the bytes of the body are counted as the head's, in `_unfinished`."""
    server = start(max_header=1024)
    client = server.connect()
    body = b"x" * 300_000
    for _ in range(3):
        client.sendall(post(body))
        assert answer(client).endswith(body)
    half = post(body) + post(b"next")
    client.sendall(half[:-40])
    assert answer(client).endswith(body)
    client.sendall(half[-40:])
    assert answer(client).endswith(b"next")
    assert server.refused("headers_too_large") == 0


def test_heads_that_arrive_in_pieces_are_counted_one_by_one(start: Start) -> None:
    """Fails without the reset of the count in `data_received`."""
    client = start(max_header=1024).connect()
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600 + b"\r\n\r\n"
    for _ in range(5):
        client.sendall(head[:500])
        assert select.select([client], [], [], 0.02)[0] == []
        client.sendall(head[500:])
        assert status(answer(client)) == 200


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_request_to_upgrade_is_served_as_if_it_had_not_asked(start: Start, pieces: int) -> None:
    """Java's HttpClient sends this. Fails without `_without_upgrade`: httptools drops the body."""
    server = start()
    client = server.connect()
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAAB\r\nX-Kept: yes\r\nContent-Length: 5\r\n\r\nhello"
    )
    step = -(-len(request) // pieces)
    for at in range(0, len(request), step):
        client.sendall(request[at : at + step])
    assert answer(client).endswith(b"hello")
    assert b"upgrade" not in server.seen.headers[0]
    assert server.seen.headers[0][b"x-kept"] == b"yes"
    client.sendall(post(b"again"))
    assert answer(client).endswith(b"again")


def test_many_requests_to_upgrade_in_one_read_are_bounded(start: Start) -> None:
    server = start()
    one = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert 0 < server.exchange(one * 2000).count(b"HTTP/1.1 200") <= 66


def test_an_answer_before_the_body_keeps_the_connection_when_the_body_is_small(
    start: Start,
) -> None:
    server = start()
    client = server.connect()
    client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    assert status(answer(client)) == 200
    client.sendall(b"x" * 100_000 + post(b"next"))
    assert answer(client).endswith(b"next")


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 40])
def test_a_head_over_the_limit_is_answered_431(start: Start, pieces: int) -> None:
    """Fails without the check in `on_headers_complete` (one piece) and `_unfinished` (several)."""
    server = start(max_header=4096)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 8000 + b"\r\n\r\n"
    with server.connect() as client:
        step = -(-len(head) // pieces)
        try:
            for at in range(0, len(head), step):
                client.sendall(head[at : at + step])
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = rest(client)
    assert status(reply) == 431
    assert document(reply)["reason"] == "headers_too_large"
    assert server.refused("headers_too_large") == 1
    assert server.requests(431) == 1
    assert not server.seen.bodies


def test_a_head_at_the_limit_is_served(start: Start) -> None:
    server = start(max_header=4096)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: "
    head += b"x" * (4096 - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == 4096
    assert status(server.exchange(head)) == 200


def test_a_request_line_over_the_limit_is_answered_431(start: Start) -> None:
    server = start(max_header=4096)
    assert status(server.exchange(b"GET /" + b"a" * 8000)) == 431


def test_blank_lines_before_a_request_count_against_the_limit(start: Start) -> None:
    server = start(max_header=4096)
    assert status(server.exchange(b"\r\n" * 4000)) == 431


@pytest.mark.parametrize("tail", [b"0\r\nX-Trailer: ", b"5;extension="])
def test_trailers_and_chunk_extensions_have_the_header_limit(start: Start, tail: bytes) -> None:
    """Fails without the count of bytes since the last one of the body in `_unfinished`."""
    server = start(max_header=4096)
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + tail)
        try:
            for _ in range(100):
                client.sendall(b"x" * 500)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert status(rest(client)) == 431


def test_trailers_do_not_become_headers(start: Start) -> None:
    """Fails without the fresh list in `on_headers_complete`."""
    server = start()
    client = server.connect()
    client.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nAuthorization: Bearer forged\r\n\r\n"
    )
    answer(client)
    assert b"authorization" not in server.seen.headers[0]


# --- what is not HTTP -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_is_answered_400(start: Start, request_bytes: bytes) -> None:
    """Fails without `_refuse`: uvicorn answers in plain text and counts nothing."""
    server = start()
    reply = server.exchange(request_bytes)
    assert status(reply) == 400
    assert document(reply)["reason"] == "unparseable"
    assert server.refused("unparseable") == 1
    assert not server.seen.bodies


def test_a_broken_chunk_is_answered_400_and_the_application_told(start: Start) -> None:
    server = start()
    reply = server.exchange(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    )
    assert status(reply) == 400
    assert not server.seen.bodies


def test_a_malformed_request_does_not_take_the_answer_of_the_one_before(start: Start) -> None:
    """A sender would drop events that were counted. Fails without `pending` in `_refuse`."""
    server = start()
    got = server.exchange(post(b"first") + b"nonsense\r\n\r\n")
    assert status(got) == 200
    assert got.endswith(b"first")
    assert got.count(b"HTTP/1.1 ") == 1
    assert server.refused("unparseable") == 1


def test_a_malformed_body_behind_another_request_is_dropped_with_its_connection(
    start: Start,
) -> None:
    server = start()
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    got = server.exchange(post(b"first") + post(b"second") + chunked)
    assert re.findall(rb"(first|second|HTTP/1.1 \d+)", got) == [
        b"HTTP/1.1 200",
        b"first",
        b"HTTP/1.1 200",
        b"second",
    ]
    assert server.seen.bodies == [b"first", b"second"]


# --- bytes past the body --------------------------------------------------------------------------


def test_requests_waiting_behind_one_answer_are_bounded(start: Start) -> None:
    """Fails without `MAX_PIPELINE`: a single read of 250 KB made 14,000 requests."""
    server = start()
    got = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000)
    assert 64 <= got.count(b"HTTP/1.1 200") <= 66


def test_a_body_after_an_early_answer_is_not_read_for_long(start: Start) -> None:
    """Fails without `_discard`: uvicorn throws away as much as is sent, for as long as it is."""
    server = start()
    with server.connect() as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        assert status(answer(client)) == 200
        sent = 0
        try:
            while sent < 1_000_000_000:
                sent += client.send(bytes(65536))
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 100 * 1024**2


# --- the end --------------------------------------------------------------------------------------


def test_nothing_is_left_after_a_connection_ends(start: Start) -> None:
    """Fails without the end of the timer in `connection_lost`: it held the connection for good."""
    import gc
    import weakref

    from exporter.server.protocol import GuardedProtocol

    server = start(receive_timeout=0.2)
    answer_to = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status(answer_to) == 200

    def left() -> int:
        gc.collect()
        alive = [one for one in gc.get_objects() if isinstance(one, GuardedProtocol)]
        return len(weakref.WeakSet(alive))

    eventually(lambda: left() == 0)
