"""Who may send and how much: types, encodings, sizes, bodies in pieces, senders that leave."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from exporter.errors import (
    BodyTooLarge,
    MethodNotAllowed,
    QueueFull,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    Unparseable,
    WrongEncoding,
    WrongMediaType,
)
from exporter.ingest.guard import Guard, Headers, Message
from exporter.ingest.media import Media
from tests.ingest.listener import JSON, OpenGate, Stream

MIB = 1024**2
CHUNK = 64 * 1024
GZIP = {b"content-encoding": b"gzip"}
EMPTY_OBJECT = gzip.compress(b"{}", mtime=0)
"""Without the time, which would give the tests below other names in each process."""


def guard(max_body: int = MIB, budget: int = 64 * MIB) -> Guard:
    return Guard(OpenGate(), max_body, budget)


def read(body: bytes | Stream, headers: Headers = {}, limits: Guard | None = None) -> bytes | None:  # noqa: B006
    stream = body if isinstance(body, Stream) else Stream([body])
    return asyncio.run((limits or guard()).read(headers, stream.receive))


def admit(content_type: bytes | None = b"application/json", **headers: bytes) -> Media:
    found = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    if content_type is not None:
        found[b"content-type"] = content_type
    return guard().admit("POST", found, "127.0.0.1")


# --- types and encodings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (b"application/json", Media.JSON),
        (b"Application/JSON", Media.JSON),
        (b"application/json; charset=utf-8", Media.JSON),
        (b'application/json;charset="UTF-8"', Media.JSON),
        (b"application/json; charset=us-ascii; q=1", Media.JSON),
        (b"application/json;", Media.JSON),
        (b"application/x-ndjson", Media.NDJSON),
        (b"application/cloudevents+json; charset=utf-8", Media.CLOUDEVENT),
        (b"application/cloudevents-batch+json", Media.CLOUDEVENT_BATCH),
    ],
)
def test_the_four_types_are_taken_however_written(content_type: bytes, media: Media) -> None:
    assert admit(content_type) is media


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"text/plain",
        b"text/json",
        b"application/x-www-form-urlencoded",
        b"application/json, application/json",
        b"application/jsonx",
        b"application/xml",
        b"\xff\x00",
        b"application/json; charset=latin-1",
        b"application/json; charset=utf-16",
        b"application/json; charset=",
    ],
)
def test_any_other_type_or_charset_is_refused(content_type: bytes | None) -> None:
    with pytest.raises(WrongMediaType):
        admit(content_type)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_json_with_any_required_ce_header_is_a_binary_cloudevent(name: str) -> None:
    assert admit(**{name: b"x"}) is Media.CLOUDEVENT_BINARY


def test_ce_headers_do_not_change_a_structured_event() -> None:
    assert admit(b"application/cloudevents+json", ce_specversion=b"1.0") is Media.CLOUDEVENT


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b" gzip ", b"identity"])
def test_gzip_and_identity_are_taken(encoding: bytes) -> None:
    assert admit(content_encoding=encoding) is Media.JSON


@pytest.mark.parametrize("encoding", [b"", b"br", b"deflate", b"gzip, gzip", b"x-gzip", b"\xff"])
def test_any_other_encoding_is_refused(encoding: bytes) -> None:
    with pytest.raises(WrongEncoding):
        admit(content_encoding=encoding)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "post", "OPTIONS"])
def test_only_post_is_taken(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        guard().admit(method, dict(JSON), "127.0.0.1")


@pytest.mark.parametrize("error", [Unauthorized("no"), TooManyRequests("slower")])
def test_the_gate_is_asked_before_anything_else(error: Exception) -> None:
    class Closed:
        def check(self, authorization: bytes | None, client: str) -> None:
            assert (authorization, client) == (b"Bearer x", "10.0.0.9")
            raise error

    with pytest.raises(type(error)):
        Guard(Closed(), 10, 10).admit("GET", {b"authorization": b"Bearer x"}, "10.0.0.9")


# --- sizes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [b"1048577", b"9" * 18, b"9" * 5000])
def test_a_declared_size_past_the_limit_is_refused_unread(length: bytes) -> None:
    with pytest.raises(BodyTooLarge):
        admit(content_length=length)


@pytest.mark.parametrize("length", [b"1048576", b"0", b"", b"x", b"-1"])
def test_other_declared_sizes_are_left_to_the_reading(length: bytes) -> None:
    assert admit(content_length=length) is Media.JSON


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_body_in_pieces_is_put_together(chunk: int) -> None:
    body = bytes(range(100))
    pieces = [body[at : at + chunk] for at in range(0, 100, chunk)]
    assert read(Stream(pieces), limits=guard(100)) == body


@pytest.mark.parametrize("whole", [True, False])
def test_a_body_of_the_limit_is_taken_and_a_byte_more_is_not(whole: bool) -> None:
    def stream(size: int) -> Stream:
        return Stream([b"x" * size] if whole else [b"x" * (size - 1), b"x"])

    assert read(stream(MIB)) == b"x" * MIB
    with pytest.raises(BodyTooLarge):
        read(stream(MIB + 1))


def gibibyte() -> Iterator[bytes]:
    chunk = b"x" * CHUNK
    for _ in range(1024**3 // CHUNK):
        yield chunk


def test_an_endless_body_is_read_to_the_limit_and_one_chunk() -> None:
    """Fails without the check in the loop; a GiB is on offer."""
    stream = Stream(gibibyte())
    with pytest.raises(BodyTooLarge):
        read(stream)
    assert stream.read <= MIB + CHUNK


def test_a_body_of_tiny_pieces_takes_no_more_than_its_bytes() -> None:
    """Fails with a list of pieces: 22 MB for a body of 1 MiB, outside every budget."""
    size = 32 * 1024
    pieces = (number.to_bytes(2, "big") for number in range(size))
    tracemalloc.start()
    try:
        body = read(Stream(pieces))
        assert body is not None
        assert len(body) == 2 * size
        assert tracemalloc.get_traced_memory()[1] < 8 * size
    finally:
        tracemalloc.stop()


# --- gzip -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"x", b'{"a":1}' * 1000])
@pytest.mark.parametrize("encoding", [b"gzip", b" GZip"])
def test_gzip_is_unpacked(body: bytes, encoding: bytes) -> None:
    assert read(gzip.compress(body), {b"content-encoding": encoding}) == body


def test_members_follow_each_other() -> None:
    packed = gzip.compress(b"a" * 10) + gzip.compress(b"") + gzip.compress(b"b" * 10)
    assert read(packed, GZIP) == b"a" * 10 + b"b" * 10
    assert read(Stream([packed[:25], packed[25:]]), GZIP) == b"a" * 10 + b"b" * 10


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"x",
        b'{"a":1}',
        zlib.compress(b"{}"),
        EMPTY_OBJECT[:-1],
        EMPTY_OBJECT[:12],
        EMPTY_OBJECT + b"x",
        EMPTY_OBJECT + EMPTY_OBJECT[:-4],
        EMPTY_OBJECT[:-8] + b"\0" * 8,
    ],
)
def test_broken_gzip_is_unparseable(packed: bytes) -> None:
    with pytest.raises(Unparseable, match="not gzip"):
        read(packed, GZIP)


def test_the_limit_holds_for_all_members_together() -> None:
    half = gzip.compress(b"x" * 500)
    assert read(half * 2, GZIP, guard(1000)) == b"x" * 1000
    with pytest.raises(BodyTooLarge):
        read(half * 2 + gzip.compress(b"x"), GZIP, guard(1000))


def test_a_body_of_empty_members_costs_no_seconds() -> None:
    """Fails without the bound on members: what is left is copied for each, 26 GB in all."""
    packed = gzip.compress(b"") * 50_000
    started = time.thread_time()
    with pytest.raises(Unparseable, match="members"):
        read(packed[:MIB], GZIP)
    assert time.thread_time() - started < 1.0


def bomb(size: int) -> Iterator[bytes]:
    """`size` bytes of zeros as gzip, piece by piece: the packed MiB is the same each time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    yield packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    repeated = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(size // MIB - 1):
        yield repeated


def grown(stream: Stream, limits: Guard) -> int:
    """Bytes that refusing the body took at most."""
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            read(stream, GZIP, limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_streamed_bomb_of_10_gib_is_refused_in_8_mib() -> None:
    """10 MiB packed: the limit on what is packed stops it. Fails without that."""
    stream = Stream(bomb(10 * 1024**3))
    assert grown(stream, guard()) <= 8 * MIB
    assert stream.read <= MIB + CHUNK


@pytest.mark.parametrize("whole", [True, False])
def test_a_bomb_within_the_packed_limit_is_refused_in_8_mib(whole: bool) -> None:
    """512 MiB in half a MiB: fails without the limit on what is unpacked."""
    pieces = list(bomb(512 * MIB))
    packed = b"".join(pieces)
    assert len(packed) < MIB
    assert grown(Stream([packed] if whole else pieces), guard()) <= 8 * MIB


# --- the budget of all bodies -----------------------------------------------------------------------


class Paused:
    """A body whose second half waits for `go`."""

    def __init__(self, first: bytes, second: bytes = b"") -> None:
        self.parts = [first, second]
        self.go = asyncio.Event()
        self.waiting = asyncio.Event()

    async def receive(self) -> Message:
        if len(self.parts) == 1:
            self.waiting.set()
            await self.go.wait()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}


def test_bodies_being_read_share_a_budget_and_give_it_back() -> None:
    """Fails without the budget: a thousand slow senders fill the memory."""

    async def story() -> None:
        limits = guard(max_body=100, budget=150)
        slow = Paused(b"x" * 100)
        task = asyncio.create_task(limits.read({}, slow.receive))
        await slow.waiting.wait()
        for _ in range(3):
            with pytest.raises(QueueFull) as caught:
                await limits.read({}, Stream([b"y" * 60, b"y"]).receive)
            assert caught.value.retry_after
        assert await limits.read({}, Stream([b"y" * 50, b""]).receive) == b"y" * 50
        assert await limits.read({}, Stream([b"y" * 90]).receive) == b"y" * 90
        slow.go.set()
        assert await task == b"x" * 100
        assert await limits.read({}, Stream([b"y" * 60, b"y" * 30]).receive) == b"y" * 90

    asyncio.run(story())


@pytest.mark.parametrize("end", ["cancelled", "too large", "disconnect"])
def test_the_budget_comes_back_however_a_body_ends(end: str) -> None:
    async def story() -> None:
        limits = guard(max_body=100, budget=100)
        if end == "cancelled":
            slow = Paused(b"x" * 100)
            task = asyncio.create_task(limits.read({}, slow.receive))
            await slow.waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif end == "too large":
            with pytest.raises(BodyTooLarge):
                await limits.read({}, Stream([b"x" * 90, b"x" * 90]).receive)
        else:
            with pytest.raises(RequestTimeout):
                await limits.read({}, Stream([b"x" * 90], disconnects=True).receive)
        assert await limits.read({}, Stream([b"y" * 99, b"y"]).receive) == b"y" * 99 + b"y"

    asyncio.run(story())


# --- senders that leave -----------------------------------------------------------------------------


def test_a_sender_that_leaves_before_its_body_gets_nothing() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert asyncio.run(guard().read({}, receive)) is None


def test_half_a_body_is_never_taken_for_a_whole_one() -> None:
    with pytest.raises(RequestTimeout):
        read(Stream([b'{"system":', b'"softdrive"}'], disconnects=True))


def test_an_empty_body_is_a_body() -> None:
    assert read(b"") == b""
