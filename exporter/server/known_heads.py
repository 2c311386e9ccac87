"""Heads of requests that were parsed before: a sender repeats its head with every request.

Parsing a head and checking its Host took more time than counting an event.
"""

from typing import Final, NamedTuple

from exporter.server.direct import MAX_BODY, DirectRequest, Headers, Start

MAX_HEAD: Final = 1024
"""Bytes of a head that is remembered."""
MAX_HEADS: Final = 256
"""Heads of a listener that are remembered. They differ by sender and by the length of the body."""
_END: Final = b"\r\n\r\n"


class KnownHead(NamedTuple):
    """A head: how its requests are started, the headers that were parsed, and the length of the body."""

    start: Start
    headers: Headers
    length: int


class KnownHeads:
    """The heads of requests that a listener answered without a task."""

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def find(self, data: bytes | memoryview) -> tuple[KnownHead, bytes] | None:
        """The head and the body if `data` is exactly one request whose head is known."""
        if len(data) > MAX_HEAD + MAX_BODY:
            return None
        head, _, body = bytes(data).partition(_END)
        known = self._heads.get(head)
        return (known, body) if known is not None and known.length == len(body) else None

    def remember(self, data: bytes | memoryview, request: DirectRequest) -> None:
        """Remember the head of a `request` that was complete in one read, `data`."""
        end = len(data) - len(request.body)
        head = bytes(data[: max(0, end)])
        # Not if lines precede or follow the request, or if its head ends in another way that llhttp accepts.
        if end <= MAX_HEAD and head.find(_END) == end - len(_END):
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            known = KnownHead(request.handler, request.headers, len(request.body))
            self._heads[head[: -len(_END)]] = known
