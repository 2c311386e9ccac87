"""One GET over a connection of its own, with one deadline for all of it.

asyncio's streams and httptools, which the listeners bring along: a blocking client would need a thread
that nothing can end while a server answers a byte every few seconds. Redirects and proxies of the
environment are not followed: the key goes where it was meant to, and nowhere else.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httptools

from exporter import __version__
from exporter.live.failures import Failure

LONGEST: Final = 64 * 1024
"""Bytes of an answer; a documented one has thirty."""
_CHUNK: Final = 16 * 1024


@dataclass(slots=True)
class Answer:
    """A response as httptools reports it; `whole` once its end was seen."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    whole: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.whole = True


class Client:
    """Asks one server. `url` has no query; https unless it is on loopback, which the settings see to.

    Every failure is a `Failure` whose text has nothing of the request's path or query in it: the key is
    there.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._netloc = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._timeout = timeout

    async def get(self, target: str) -> Answer:
        """The answer to a path with its query, whatever its status. Raises `Failure`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(target)
        except TimeoutError:
            raise Failure("timeout", f"no whole answer within {self._timeout:g} s") from None
        except httptools.HttpParserError as error:
            raise Failure("bad_answer", f"not HTTP: {type(error).__name__}") from None
        except OSError as error:
            # ssl's errors too. Their texts name host and port at most.
            raise Failure("connection", f"{error.strerror or error}") from None

    async def _exchange(self, target: str) -> Answer:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            writer.write(
                f"GET {target} HTTP/1.1\r\nHost: {self._netloc}\r\nAccept: application/json\r\n"
                f"User-Agent: session-end-exporter/{__version__}\r\nConnection: close\r\n\r\n".encode()
            )
            await writer.drain()
            return await _read(reader)
        finally:
            # Not `close`, which for TLS waits for the other side to say goodbye, outside the deadline.
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Answer:
    answer = Answer()
    parser = httptools.HttpResponseParser(answer)
    received = 0
    while not answer.whole:
        chunk = await reader.read(_CHUNK)
        received += len(chunk)
        if received > LONGEST:
            raise Failure("bad_answer", f"an answer longer than {LONGEST:,} bytes")
        if not chunk:
            # Without Content-Length the end of the connection is the end of the body.
            if not answer.status or _declares(answer):
                raise Failure("connection", "the connection was closed before the answer's end")
            break
        parser.feed_data(chunk)
        answer.status = parser.get_status_code()
    return answer


def _declares(answer: Answer) -> bool:
    """Whether the headers say where the body ends."""
    return "content-length" in answer.headers or "transfer-encoding" in answer.headers
