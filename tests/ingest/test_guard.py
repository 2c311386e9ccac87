"""Authentication, types, encodings, sizes, and bodies in pieces.

Endless bodies and gzip bombs are rows 14 and 15 of the fault table.
"""

import asyncio
import gzip
import tracemalloc

import pytest
from starlette.types import Message

from exporter.errors import (
    BodyTooLarge,
    QueueFull,
    Refused,
    RequestTimeout,
    Unauthorized,
    Unparseable,
    WrongMediaType,
)
from exporter.ingest.guard import Guard, Headers, Media, media
from exporter.tokens import Authenticator
from tests.ingest.listener import JSON, Stream

MIB = 1024**2
GZIP = {b"content-encoding": b"gzip"}
EMPTY_OBJECT = gzip.compress(b"{}", mtime=0)
"""An empty gzip object without a time, which would change the names of parametrized tests."""


def guard(max_body: int = MIB, budget: int = 64 * MIB) -> Guard:
    return Guard(Authenticator(None), max_body, budget)


def read(body: bytes | Stream, headers: Headers = {}, limits: Guard | None = None) -> bytes | None:  # noqa: B006
    stream = body if isinstance(body, Stream) else Stream([body])
    return asyncio.run((limits or guard()).read(headers, stream.receive))


def admit(headers: dict[str, bytes]) -> Media:
    named = {**JSON, **{name.encode(): value for name, value in headers.items()}}
    guard().admit("POST", named, "127.0.0.1")
    return media(named)


# --- headers ----------------------------------------------------------------------------------------

TYPES = (
    "application/json, application/x-ndjson, application/cloudevents\\+json, "
    "application/cloudevents-batch\\+json$"
)
TOO_LARGE = "at most 1048576 bytes, compressed and uncompressed$"
CE_HEADERS = ("ce-specversion", "ce-id", "ce-source", "ce-type")


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (b"Application/JSON", Media.JSON),
        (b"application/json; charset=us-ascii; q=1", Media.JSON),
        (b"application/x-ndjson", Media.NDJSON),
        (b"application/cloudevents+json; charset=utf-8", Media.CLOUDEVENT),
        (b"application/cloudevents-batch+json", Media.CLOUDEVENT_BATCH),
    ],
)
def test_content_type_names_the_format(content_type: bytes, media: Media) -> None:
    assert admit({"content-type": content_type}) is media


@pytest.mark.parametrize("name", CE_HEADERS)
def test_json_with_any_required_ce_header_is_a_binary_cloudevent(name: str) -> None:
    assert admit({name: b"x"}) is Media.CLOUDEVENT_BINARY
    structured = {"content-type": b"application/cloudevents+json", name: b"x"}
    assert admit(structured) is Media.CLOUDEVENT
    with pytest.raises(
        WrongMediaType, match="application/x-ndjson with ce- headers: a CloudEvent in "
    ):
        admit({"content-type": b"application/x-ndjson", name: b"x"})


def test_only_a_binary_cloudevent_needs_no_content_type() -> None:
    assert admit({"content-type": b"", "ce-specversion": b"1.0"}) is Media.CLOUDEVENT_BINARY
    with pytest.raises(WrongMediaType, match="no Content-Type"):
        admit({"content-type": b"", "ce-id": b"1"})


def test_lengths_that_are_accepted() -> None:
    for value in (b"1048576", b"", b"x"):
        assert admit({"content-length": value}) is Media.JSON


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("content-type", b"", f"no Content-Type: it must be one of {TYPES}"),
        ("content-type", b"text/plain", f"Content-Type 'text/plain': it must be one of {TYPES}"),
        ("content-type", b"\xff\x00", "Content-Type 'ÿ"),
        ("content-encoding", b"", "Content-Encoding '': it must be gzip or identity$"),
        ("content-encoding", b"br", "Content-Encoding 'br': "),
        ("content-encoding", b"\xff", "Content-Encoding 'ÿ': "),
        ("content-length", b"1048577", TOO_LARGE),
        ("content-length", b"9" * 5000, TOO_LARGE),
    ],
)
def test_other_headers_are_refused(name: str, value: bytes, detail: str) -> None:
    with pytest.raises(Refused, match=f"^{detail}"):
        admit({name: value})


def test_authentication_is_checked_first() -> None:
    class Refusing(Authenticator):
        def check(self, authorization: bytes | None, client: str) -> None:
            assert (authorization, client) == (b"Bearer x", "10.0.0.9")
            raise Unauthorized("no")

    with pytest.raises(Unauthorized):
        Guard(Refusing(None), 10, 10).admit("GET", {b"authorization": b"Bearer x"}, "10.0.0.9")


# --- sizes ------------------------------------------------------------------------------------------


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
    stream = Stream(pieces)
    tracemalloc.start()
    try:
        body = read(stream)
        assert body is not None
        assert len(body) == 2 * size
        assert tracemalloc.get_traced_memory()[1] < 8 * size
    finally:
        tracemalloc.stop()


# --- gzip -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [b"gzip", b" GZip", b"x-gzip", b"identity"])
def test_gzip_is_unpacked(encoding: bytes) -> None:
    body = b"{}" if encoding == b"identity" else EMPTY_OBJECT
    assert admit({"content-encoding": encoding}) is Media.JSON
    assert read(body, {b"content-encoding": encoding}) == b"{}"


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"x",
        EMPTY_OBJECT[:-1],
        EMPTY_OBJECT + b"x",
        EMPTY_OBJECT * 2,
        EMPTY_OBJECT[:-8] + b"\0" * 8,
    ],
)
def test_broken_gzip_is_unparseable(packed: bytes) -> None:
    with pytest.raises(Unparseable, match="not gzip"):
        read(packed, GZIP)


# --- the budget of all bodies -----------------------------------------------------------------------


def test_bodies_being_read_share_a_budget() -> None:
    """Fails without the budget: the bodies of a thousand slow senders would fill the memory."""

    async def run() -> None:
        limits = guard(max_body=100, budget=150)
        slow = asyncio.Queue[Message]()
        task = asyncio.create_task(limits.read({}, slow.get))
        for _ in range(2):
            slow.put_nowait({"type": "http.request", "body": b"x" * 50, "more_body": True})
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(QueueFull):
                await limits.read({}, Stream([b"y" * 60, b"y"]).receive)
        assert await limits.read({}, Stream([b"y" * 50, b""]).receive) == b"y" * 50
        assert await limits.read({}, Stream([b"y" * 90]).receive) == b"y" * 90
        slow.put_nowait({"type": "http.request"})
        assert await task == b"x" * 100
        assert await limits.read({}, Stream([b"y" * 60, b"y" * 30]).receive) == b"y" * 90

    asyncio.run(run())


def test_budget_is_released_after_a_refusal() -> None:
    limits = guard(max_body=100, budget=100)
    for body, error in (
        (Stream([b"x" * 90, b"x" * 90, b"x"]), BodyTooLarge),
        (Stream([b"x" * 90], disconnects=True), RequestTimeout),
    ):
        with pytest.raises(error):
            read(body, limits=limits)
        assert read(Stream([b"y" * 99, b"y"]), limits=limits) == b"y" * 100
