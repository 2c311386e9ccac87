"""Everything before a body is decoded: authentication, Content-Type, sizes, and the turn of a large body."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from starlette.types import Receive

from exporter.errors import (
    BodyTooLarge,
    MethodNotAllowed,
    QueueFull,
    RequestTimeout,
    Unparseable,
    WrongEncoding,
    WrongMediaType,
    quoted,
)
from exporter.tokens import Authenticator

Headers = dict[bytes, bytes]


class Media(Enum):
    """A body format that ingest accepts, with its Content-Type."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CLOUDEVENT = "application/cloudevents+json"
    CLOUDEVENT_BATCH = "application/cloudevents-batch+json"
    CLOUDEVENT_BINARY = "application/json with ce- headers"


_TYPES: Final = {media.value: media for media in Media if media is not Media.CLOUDEVENT_BINARY}
_TYPE_NAMES: Final = tuple(_TYPES)
_CE_HEADERS: Final = frozenset((b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"))
"""Required attributes of a CloudEvent. With any of these headers, a JSON body is a CloudEvent in binary mode:
without `ce-id` as the id of its event, a retry would be counted again."""
_LENGTH_DIGITS: Final = 20
"""Digits of a Content-Length that are read: Python refuses more than 4,300."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_NAMES: Final = (b"gzip", b"x-gzip")
"""RFC 9110 8.4.1.3: x-gzip is the same coding."""
LARGE: Final = 16 * 1024
"""Bytes of a body from which on decoding it takes longer than a single event may wait."""
MOST_WITH_SQLITE: Final = 4
"""Bodies that are decoded or committed at a time while a thread of the ledger commits: they compete with a
single event for the interpreter lock. Beside eight connections with batches of 1,000 events, the event takes
14 ms (p99) with 4 bodies, and 21 to 27 ms without a bound. The batches take 5 to 9 % longer with 4 bodies,
13 % with 3."""
MOST_WITH_REDIS: Final = 16
"""The same number for Redis, which has its own process: with 4 bodies, batches took 9 % longer."""


@dataclass
class Guard:
    """The limits of a listener or route.

    A body has at most `max_body` bytes, compressed and uncompressed. All bodies that are being read have at
    most `budget` bytes together: a thousand slow senders must not fill the memory.
    """

    authenticator: Authenticator
    max_body: int
    budget: int
    _reading = 0

    def admit(self, method: str, headers: Headers, client: str) -> None:
        """Raises a `Refused` for a wrong sender, method, encoding or declared size of the body."""
        self.authenticator.check(headers.get(b"authorization"), client)
        if method != "POST":
            raise MethodNotAllowed(f"{method}: events are sent with POST")
        encoding = _encoding(headers)
        if encoding != b"identity" and encoding not in _GZIP_NAMES:
            raise WrongEncoding(
                f"Content-Encoding {quoted(encoding.decode('latin-1'), 40)}: it must be gzip or identity"
            )
        declared = headers.get(b"content-length", b"")
        if declared.isdigit():
            self.check_size(int(declared[:_LENGTH_DIGITS]))

    def check_size(self, size: int) -> None:
        """Raises `BodyTooLarge` for a body of more bytes than the limit."""
        if size > self.max_body:
            raise BodyTooLarge(f"at most {self.max_body} bytes, compressed and uncompressed")

    async def read(self, headers: Headers, receive: Receive) -> bytes | None:
        """The uncompressed body, or None when the sender went away.

        Raises `BodyTooLarge` at the first byte past the limit, `Unparseable` for bad gzip and
        `QueueFull` while other bodies take up the budget.
        """
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(body, receive)
        elif message["type"] == "http.disconnect":
            return None
        self.check_size(len(body))
        if _encoding(headers) in _GZIP_NAMES:
            return self._unpack(body)
        return body

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        # A list of two-byte chunks would take twenty times the bytes of the budget.
        body = bytearray(first)
        more = True
        self._reading += len(body)
        try:
            while more:
                self.check_size(len(body))
                if self._reading > self.budget:
                    raise QueueFull(f"{self._reading} bytes of other requests are being read")
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestTimeout("the body ended early")
                chunk: bytes = message.get("body", b"")
                body += chunk
                self._reading += len(chunk)
                more = message.get("more_body", False)
        finally:
            self._reading -= len(body)
        return bytes(body)

    def _unpack(self, body: bytes) -> bytes:
        """The uncompressed body; stops one byte after the limit."""
        unpacker = zlib.decompressobj(_GZIP)
        try:
            unpacked = unpacker.decompress(body, self.max_body + 1)
        except zlib.error as error:
            raise Unparseable(f"not gzip: {error}") from None
        self.check_size(len(unpacked))
        if not unpacker.eof or unpacker.unused_data:
            raise Unparseable("not gzip: it must be one complete member")
        return unpacked


class LargeBodies:
    """At most `most` bodies are decoded or committed, and at most `budget` bytes of bodies wait for that.

    So single events wait less. `decoding` is the lock for decoding one body at a time.
    """

    def __init__(self, budget: int, most: int = MOST_WITH_SQLITE) -> None:
        self._budget, self._waiting = budget, 0
        self._turns, self.decoding = asyncio.Semaphore(most), asyncio.Lock()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait for the turn of a body of `size` bytes. Raises `QueueFull` when too many bytes wait."""
        # The first body that waits may have any size.
        if self._waiting and self._waiting + size > self._budget:
            raise QueueFull(
                f"{self._waiting} bytes of other requests wait for the ledger; send the events again"
            )
        self._waiting += size
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= size
        try:
            yield
        finally:
            self._turns.release()


def _encoding(headers: Headers) -> bytes:
    return headers.get(b"content-encoding", b"identity").strip().lower()


def media(headers: Headers) -> Media:
    """The body format that a request's headers declare.

    Raises `WrongMediaType`, for a missing Content-Type too: a guess would count bodies that were meant for
    another service. Only CloudEvents in binary mode may omit it, as the Python SDK does by default.
    """
    content_type = headers.get(b"content-type", b"")
    if not content_type and b"ce-specversion" in headers:
        return Media.CLOUDEVENT_BINARY
    declared = _TYPES[media_type(content_type, _TYPE_NAMES)]
    if _CE_HEADERS.isdisjoint(headers):
        return declared
    if declared is Media.NDJSON:
        raise WrongMediaType(
            "application/x-ndjson with ce- headers: a CloudEvent in binary mode is one event; send it as "
            "application/json, or several as application/cloudevents-batch+json"
        )
    return Media.CLOUDEVENT_BINARY if declared is Media.JSON else declared


@lru_cache(maxsize=256)
def media_type(content_type: bytes, allowed: tuple[str, ...]) -> str:
    """The type of a Content-Type, without parameters. Raises `WrongMediaType`."""
    name = content_type.decode("latin-1").partition(";")[0].strip().lower()
    if name not in allowed:
        declared = f"Content-Type {quoted(name)}" if content_type else "no Content-Type"
        raise WrongMediaType(f"{declared}: it must be one of {', '.join(allowed)}")
    return name
