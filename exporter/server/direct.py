"""Requests that the application answers without an ASGI task.

A task, its coroutines and messages take longer than counting an event. An application may therefore have a
method `direct(target, headers)`: for a POST that it can start at once when the body is there, it returns a
`Start`, else None. The listener uses it for a complete request on an idle connection, and falls back to ASGI
for all others: the application must answer both alike.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exporter.problem import Header
from exporter.server.refusals import serialized

if TYPE_CHECKING:
    from exporter.server.protocol import GuardedProtocol

MAX_BODY: Final = 4 * 1024
"""Bytes of a body up to which the event loop may decode it at once."""

Headers = dict[bytes, bytes]
"""Lower-case names, and the last value of a repeated header."""
Respond = Callable[[int, list[Header], bytes], None]
"""Takes status, headers and body of the answer."""
Start = Callable[[Headers, str, bytes, Respond], None]
"""Starts a request with its headers, client address and body. Calls `Respond` once, after it has returned."""
Direct = Callable[[bytes, Headers], Start | None]

_CLOSE: Final = (b"connection", b"close")


class DirectRequest:
    """A request until its answer. uvicorn's protocol uses the public attributes, as of its own cycle."""

    message_event = asyncio.Event()
    response_started = False

    def __init__(self, protocol: "GuardedProtocol", start: Start, headers: Headers) -> None:
        self.body = b""
        self.keep_alive = True
        self.disconnected = self.response_complete = False
        self._protocol = protocol
        self._start = start
        self._headers = headers

    def start(self, client: str) -> None:
        self._start(self._headers, client, self.body, self.respond)

    def respond(self, status: int, headers: list[Header], body: bytes) -> None:
        self.response_complete = True
        protocol = self._protocol
        lines = [*protocol.server_state.default_headers, *headers]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(_CLOSE)
        protocol.joined.write_answer(serialized(status, lines, body))
        if not self.keep_alive:
            protocol.joined.close()
        protocol.on_response_complete()
