"""Requests that the application answers without an ASGI task.

A task, its coroutines and messages take longer than counting an event. An application may therefore have a
method `direct(target, headers)`: for a POST that it can start at once when the body is there, it returns a
`Start`, else None. The listener uses it for a complete request on an idle connection, and falls back to ASGI
for all others: the application must answer both alike.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.problem import Header
from exporter.server.listener import serialized

MAX_BODY: Final = 4 * 1024
"""Bytes of a body up to which the event loop may decode it at once."""
MAX_HEAD: Final = 1024
"""Bytes of a head that is remembered."""
MAX_HEADS: Final = 256
"""Heads of a listener that are remembered. They differ by sender and by the length of the body."""
_END: Final = b"\r\n\r\n"

Headers = dict[bytes, bytes]
"""Lower-case names, and the last value of a repeated header."""
Respond = Callable[[int, list[Header], bytes], None]
"""Takes status, headers and body of the answer."""
Start = Callable[[Headers, str, bytes, Respond], None]
"""Starts a request with its headers, client address and body. Calls `Respond` once, after it has returned.

Later requests with the same target and headers may get the same `Start` and headers."""
Direct = Callable[[bytes, Headers], Start | None]

_CLOSE: Final = (b"connection", b"close")


class DirectRequest:
    """A request until its answer. uvicorn's protocol uses the public attributes like those of its cycle."""

    message_event = asyncio.Event()
    response_started = False

    def __init__(
        self, protocol: "DirectProtocol", start: Start, headers: Headers, body: bytes = b""
    ) -> None:
        self.body = body
        self.keep_alive = True
        self.disconnected = self.response_complete = False
        self.handler = start
        self.headers = headers
        self._protocol = protocol

    def respond(self, status: int, headers: list[Header], body: bytes) -> None:
        self.response_complete = True
        protocol = self._protocol
        lines = [*protocol.server_state.default_headers, *headers]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(_CLOSE)
        protocol.transport.write(serialized(status, lines, body))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class KnownHeads:
    """The heads of requests that a listener answered without a task: a sender repeats its head.

    Parsing a head and checking its Host took more time than counting an event.
    """

    def __init__(self) -> None:
        # The length is that of the body.
        self._heads: dict[bytes, tuple[Start, Headers, int]] = {}

    def find(self, data: bytes | memoryview) -> tuple[Start, Headers, bytes] | None:
        """Start, headers and body if `data` is exactly one request whose head is known."""
        if len(data) > MAX_HEAD + MAX_BODY:
            return None
        head, _, body = bytes(data).partition(_END)
        known = self._heads.get(head)
        return (known[0], known[1], body) if known is not None and known[2] == len(body) else None

    def remember(self, data: bytes | memoryview, request: DirectRequest) -> None:
        """Remember the head of a `request` that was complete in one read, `data`."""
        end = len(data) - len(request.body)
        head = bytes(data[:end])
        # Not if lines precede or follow the request, or if its head ends in another way that llhttp accepts.
        if end <= MAX_HEAD and head.find(_END) == end - len(_END):
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            known = (request.handler, request.headers, len(request.body))
            self._heads[head[: -len(_END)]] = known


class DirectProtocol(HttpToolsProtocol):
    """Answers small requests without a task if the application supports it, others as uvicorn does."""

    _incomplete: DirectRequest | None = None
    """A request that needs no task if its body turns out to be small."""

    def __init__(self, known_heads: KnownHeads, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known_heads = known_heads
        self._direct: Direct | None = getattr(self.app, "direct", None)

    def _begin_request(self) -> None:
        """The head is complete: start a task, unless the application may need none."""
        self._incomplete = self._without_task()
        if self._incomplete is None:
            self._start_task()

    def _add_body(self, body: bytes) -> None:
        if self._incomplete is not None:
            if not self._incomplete.body and len(body) <= MAX_BODY:
                self._incomplete.body = body
                return
            self._fall_back_to_task()
        super().on_body(body)

    def _complete_request(self) -> None:
        if self._incomplete is not None:
            request, self._incomplete = self._incomplete, None
            self._start_direct(request)
        else:
            super().on_message_complete()

    def _start_direct(self, request: DirectRequest) -> None:
        self.cycle = cast("Any", request)
        request.handler(request.headers, self._peer(), request.body, request.respond)

    def _without_task(self) -> DirectRequest | None:
        """The request, if the application answers it without a task and its answer comes next."""
        if self._direct is None or self.expect_100_continue or not self._answers_next():
            return None
        parser = self.parser
        # After an answer to HTTP/1.0, uvicorn closes the connection even if the peer asks to keep it.
        keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        if not keep_alive or parser.get_method() != b"POST":
            return None
        headers = dict(self.headers)
        # Chunked bodies may end with trailers.
        start = self._direct(self.url, headers) if b"content-length" in headers else None
        return None if start is None else DirectRequest(self, start, headers)

    def _answers_next(self) -> bool:
        """Whether the answer to the next request can be sent at once."""
        complete = self.cycle is None or self.cycle.response_complete
        return complete and not self.flow.write_paused

    def _fall_back_to_task(self) -> None:
        """Start an incomplete request as a task: its body is large, or the rest of it comes later."""
        request, self._incomplete = self._incomplete, None
        if request is not None:
            self._start_task()
            if request.body:
                super().on_body(request.body)

    def _start_task(self) -> None:
        url, headers, expects_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects_continue
        self.headers.extend(headers)
        super().on_headers_complete()
        # A new list: uvicorn would add trailers to the headers that the application reads.
        self.headers = []

    def _peer(self) -> str:
        return self.client[0] if self.client else ""
