"""Who may send and how much: everything that is decided before a body is understood."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from exporter.errors import (
    BodyTooLarge,
    MethodNotAllowed,
    QueueFull,
    RequestTimeout,
    Unparseable,
    WrongEncoding,
)
from exporter.ingest.media import CE_HEADERS, Media, media

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Headers = dict[bytes, bytes]

_DIGITS: Final = 20
"""Enough of a Content-Length: Python refuses to read more than 4,300."""
_MEMBERS: Final = 100
"""gzip members in a body: what follows each is copied, and a megabyte holds 50,000 empty ones."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class Gate(Protocol):
    """Lets requests with a valid token pass; see `exporter.tokens`."""

    def check(self, authorization: bytes | None, client: str) -> None:
        """Raises `Unauthorized` or `TooManyRequests`."""


class Guard:
    """The limits of the ingest listener: `max_body` bytes a request, packed and unpacked, and `budget`
    bytes of bodies being read at once in all, so that a thousand slow senders can't fill the memory.
    `limit` is what the sender is told that `max_body` comes from."""

    def __init__(self, gate: Gate, max_body: int, budget: int, limit: str = "max_body") -> None:
        self._gate = gate
        self._max_body = max_body
        self._limit = limit
        self._budget = budget
        self._reading = 0

    def admit(self, method: str, headers: Headers, client: str) -> Media:
        """The body's format, once sender, method, type, encoding and declared size are accepted.

        Raises a `Refused`; nothing of the body has been read.
        """
        self._gate.check(headers.get(b"authorization"), client)
        if method != "POST":
            raise MethodNotAllowed(f"{method}: events are sent with POST")
        found = media(headers.get(b"content-type", b""), not CE_HEADERS.isdisjoint(headers))
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"gzip"):
            raise WrongEncoding(f"Content-Encoding {encoding[:40]!r}: it must be gzip or identity")
        self.measure(headers)
        return found

    def measure(self, headers: Headers) -> None:
        """Raises `BodyTooLarge` when the headers say so already."""
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:_DIGITS]) > self._max_body:
            raise self._too_large()

    async def read(self, headers: Headers, receive: Receive) -> bytes | None:
        """The unpacked body, or None when the sender went away.

        Raises `BodyTooLarge` at the first byte past the limit, `Unparseable` for bad gzip and
        `QueueFull` while other bodies take up the budget.
        """
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(body, receive)
        elif message["type"] == "http.disconnect":
            return None
        if len(body) > self._max_body:
            raise self._too_large()
        if headers.get(b"content-encoding", b"").strip().lower() == b"gzip":
            return self._unpack(body)
        return body

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        # Not a list of chunks: of two-byte ones it takes twenty times the bytes of the budget.
        body = bytearray(first)
        size = len(first)
        more = True
        self._reading += size
        try:
            while more:
                if size > self._max_body:
                    raise self._too_large()
                if self._reading > self._budget:
                    raise QueueFull(
                        f"{self._reading} bytes of other requests are being read", retry_after=1
                    )
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestTimeout("the body did not arrive whole")
                chunk: bytes = message.get("body", b"")
                body += chunk
                size += len(chunk)
                self._reading += len(chunk)
                more = message.get("more_body", False)
        finally:
            self._reading -= size
        return bytes(body)

    def _unpack(self, body: bytes) -> bytes:
        """Never more than a byte past the limit is unpacked, whatever the body would make."""
        unpacked = b""
        for _ in range(_MEMBERS):
            unpacker = zlib.decompressobj(_GZIP)
            try:
                unpacked += unpacker.decompress(body, self._max_body + 1 - len(unpacked))
            except zlib.error as error:
                raise Unparseable(f"not gzip: {error}") from None
            if len(unpacked) > self._max_body:
                raise self._too_large()
            if not unpacker.eof:
                raise Unparseable("not gzip: it ends too early")
            body = unpacker.unused_data
            if not body:
                return unpacked
        raise Unparseable(f"not gzip: more than {_MEMBERS} members")

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"at most {self._max_body} bytes, unpacked ones too ({self._limit})")
