"""A delayed head, on a transport that records its writes."""

import asyncio
from collections.abc import Callable

import pytest

from exporter.server.joined import JoinedTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Recording(asyncio.Transport):
    """Raises on a write after its end, as uvloop's transports do."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def run(work: Callable[[Recording, JoinedTransport], None], lingers: bool = False) -> list[bytes]:
    """What `work` writes, an iteration later. An error in the event loop fails the test."""
    errors: list[object] = []

    async def main() -> list[bytes]:
        loop, transport = asyncio.get_running_loop(), Recording()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        work(transport, JoinedTransport(transport, loop, lambda: lingers))
        await asyncio.sleep(0)
        return transport.written

    written = asyncio.run(main())
    assert not errors
    return written


def test_head_and_body_are_one_write() -> None:
    def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        assert not transport.written
        joined.write(b"body")

    assert run(work) == [HEAD + b"body"]
    assert run(lambda _, joined: joined.write(HEAD)) == [HEAD], "a head without a body"


def test_head_is_dropped_when_the_peer_is_gone() -> None:
    """Fails without `is_closing` in `_flush`."""

    def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        transport.close()

    assert run(work) == []


@pytest.mark.parametrize("lingers", [False, True])
def test_connection_that_lingers_is_closing_until_the_second_close(lingers: bool) -> None:
    """Fails without `_closing`: uvicorn would use the connection further, and a stop never close it."""

    def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        joined.close()
        assert joined.is_closing()
        assert transport.closed is not lingers
        joined.close()
        assert transport.closed

    assert run(work, lingers) == [HEAD]
