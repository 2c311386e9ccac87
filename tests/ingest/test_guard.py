"""Authentication, types, encodings, sizes, and bodies in pieces.

Endless bodies and gzip bombs are rows 14 and 15 of the fault table.
"""

import asyncio
import gzip
import time
import tracemalloc
import zlib

import pytest
from starlette.types import Message

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
from exporter.ingest.guard import Guard, Headers
from exporter.ingest.media import Media, media
from exporter.tokens import Authenticator
from tests.ingest.listener import JSON, Stream

MIB = 1024**2
CHUNK = 64 * 1024
GZIP = {b"content-encoding": b"gzip"}
EMPTY_OBJECT = gzip.compress(b"{}", mtime=0)
"""An empty gzip object without a time, which would change the names of parametrized tests."""


def guard(max_body: int = MIB, budget: int = 64 * MIB) -> Guard:
    return Guard(Authenticator(None), max_body, budget)


def read(body: bytes | Stream, headers: Headers = {}, limits: Guard | None = None) -> bytes | None:  # noqa: B006
    stream = body if isinstance(body, Stream) else Stream([body])
    return asyncio.run((limits or guard()).read(headers, stream.receive))


def admit(**headers: bytes) -> Media:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    headers = {**JSON, **named}
    guard().admit("POST", headers, "127.0.0.1")
    return media(headers)


# --- headers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (b"Application/JSON", Media.JSON),
        (b'application/json;charset="UTF-8"', Media.JSON),
        (b"application/json; charset=us-ascii; q=1", Media.JSON),
        (b"application/json;", Media.JSON),
        (b"application/x-ndjson", Media.NDJSON),
        (b"application/cloudevents+json; charset=utf-8", Media.CLOUDEVENT),
        (b"application/cloudevents-batch+json", Media.CLOUDEVENT_BATCH),
    ],
)
def test_content_type_names_the_format(content_type: bytes, media: Media) -> None:
    assert admit(content_type=content_type) is media


TYPES = (
    "application/json, application/x-ndjson, application/cloudevents\\+json, "
    "application/cloudevents-batch\\+json"
)


@pytest.mark.parametrize(
    ("content_type", "detail"),
    [
        (b"", f"no Content-Type: it must be one of {TYPES}"),
        (b"text/plain", f"Content-Type 'text/plain': it must be one of {TYPES}"),
        (b"application/json, application/json", "Content-Type 'application/json, appl"),
        (b"application/jsonx", "Content-Type 'application/jsonx': "),
        (b"\xff\x00", "Content-Type 'ÿ"),
        (b"application/json; charset=latin-1", "charset 'latin-1': JSON is UTF-8"),
        (b"application/json; charset=", "charset '': JSON is UTF-8"),
    ],
)
def test_other_types_and_charsets_are_refused(content_type: bytes, detail: str) -> None:
    with pytest.raises(WrongMediaType, match=f"^{detail}"):
        admit(content_type=content_type)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_json_with_any_required_ce_header_is_a_binary_cloudevent(name: str) -> None:
    assert admit(**{name: b"x"}) is Media.CLOUDEVENT_BINARY
    structured = admit(content_type=b"application/cloudevents+json", **{name: b"x"})
    assert structured is Media.CLOUDEVENT
    with pytest.raises(
        WrongMediaType, match="application/x-ndjson with ce- headers: a CloudEvent in "
    ):
        admit(content_type=b"application/x-ndjson", **{name: b"x"})


def test_only_a_binary_cloudevent_needs_no_content_type() -> None:
    assert admit(content_type=b"", ce_specversion=b"1.0") is Media.CLOUDEVENT_BINARY
    with pytest.raises(WrongMediaType, match="no Content-Type"):
        admit(content_type=b"", ce_id=b"1")


@pytest.mark.parametrize("encoding", [b"GZIP", b" gzip ", b"x-gzip", b"identity"])
def test_gzip_and_identity_are_accepted(encoding: bytes) -> None:
    assert admit(content_encoding=encoding) is Media.JSON


@pytest.mark.parametrize("encoding", ["", "br", "gzip, gzip", "ÿ"])
def test_other_encodings_are_refused(encoding: str) -> None:
    message = f"^Content-Encoding '{encoding}': it must be gzip or identity$"
    with pytest.raises(WrongEncoding, match=message):
        admit(content_encoding=encoding.encode("latin-1"))


@pytest.mark.parametrize("method", ["GET", "post", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(MethodNotAllowed, match=f"{method}: events are sent with POST"):
        guard().admit(method, dict(JSON), "127.0.0.1")


@pytest.mark.parametrize("error", [Unauthorized("no"), TooManyRequests("slower")])
def test_authentication_is_checked_first(error: Exception) -> None:
    class Refusing(Authenticator):
        def check(self, authorization: bytes | None, client: str) -> None:
            assert (authorization, client) == (b"Bearer x", "10.0.0.9")
            raise error

    with pytest.raises(type(error)):
        Guard(Refusing(None), 10, 10).admit("GET", {b"authorization": b"Bearer x"}, "10.0.0.9")


# --- sizes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [b"1048577", b"9" * 5000])
def test_declared_length_past_the_limit_is_refused_unread(length: bytes) -> None:
    message = r"^at most 1048576 bytes, compressed and uncompressed \(max_body\)$"
    with pytest.raises(BodyTooLarge, match=message):
        admit(content_length=length)


@pytest.mark.parametrize("length", [b"1048576", b"", b"x", b"-1"])
def test_other_declared_lengths_are_ignored(length: bytes) -> None:
    assert admit(content_length=length) is Media.JSON


@pytest.mark.parametrize("whole", [True, False])
def test_body_has_at_most_max_body_bytes(whole: bool) -> None:
    def stream(size: int) -> Stream:
        return Stream([b"x" * size] if whole else [b"x" * (size - 1), b"x"])

    assert read(stream(MIB)) == b"x" * MIB
    with pytest.raises(BodyTooLarge):
        read(stream(MIB + 1))


def test_body_of_tiny_pieces_takes_no_more_than_its_bytes() -> None:
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


@pytest.mark.parametrize("body", [b"", b'{"a":1}' * 1000])
@pytest.mark.parametrize("encoding", [b"gzip", b" GZip", b"x-gzip"])
def test_gzip_is_unpacked(body: bytes, encoding: bytes) -> None:
    assert read(gzip.compress(body), {b"content-encoding": encoding}) == body


def test_gzip_members_are_joined() -> None:
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


def test_limit_holds_for_all_gzip_members_together() -> None:
    half = gzip.compress(b"x" * 500)
    assert read(half * 2, GZIP, guard(1000)) == b"x" * 1000
    with pytest.raises(BodyTooLarge):
        read(half * 2 + gzip.compress(b"x"), GZIP, guard(1000))


def test_body_of_empty_gzip_members_is_refused_quickly() -> None:
    """Fails without the bound on members: the rest of the body is copied for each member, 26 GB in total."""
    packed = gzip.compress(b"") * 50_000
    started = time.thread_time()
    with pytest.raises(Unparseable, match="members"):
        read(packed[:MIB], GZIP)
    assert time.thread_time() - started < 1.0


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


def test_bodies_being_read_share_a_budget() -> None:
    """Fails without the budget: the bodies of a thousand slow senders would fill the memory."""

    async def run() -> None:
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

    asyncio.run(run())


@pytest.mark.parametrize("end", ["cancelled", "too large", "disconnect"])
def test_budget_is_released_at_every_end_of_a_body(end: str) -> None:
    async def run() -> None:
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

    asyncio.run(run())
