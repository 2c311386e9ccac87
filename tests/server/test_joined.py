"""A delayed head, on a transport that records its writes."""

import asyncio
from collections.abc import Callable, Coroutine

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


Work = Callable[[Recording, JoinedTransport], Coroutine[None, None, None]]


def run(work: Work, lingers: bool = False) -> list[bytes]:
    """What `work` writes. An error in the event loop fails the test."""
    errors: list[object] = []

    async def main() -> list[bytes]:
        loop, transport = asyncio.get_running_loop(), Recording()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        await work(transport, JoinedTransport(transport, loop, lambda: lingers))
        await asyncio.sleep(0)
        return transport.written

    written = asyncio.run(main())
    assert not errors
    return written


def test_head_and_body_are_one_write() -> None:
    async def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        joined.write(b"body")

    assert run(work) == [HEAD + b"body"]


def test_head_without_a_body_is_written_in_the_next_iteration() -> None:
    async def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        assert not transport.written

    assert run(work) == [HEAD]


def test_head_is_dropped_when_the_peer_is_gone() -> None:
    """Fails without `is_closing` in `_flush`."""

    async def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        transport.close()
        await asyncio.sleep(0)
        joined.write(b"body")

    assert run(work) == []


@pytest.mark.parametrize("lingers", [False, True])
def test_connection_that_lingers_is_closing_until_the_second_close(lingers: bool) -> None:
    """Fails without `_closing`: uvicorn would use the connection further, and a stop never close it."""

    async def work(transport: Recording, joined: JoinedTransport) -> None:
        joined.write(HEAD)
        joined.close()
        assert joined.is_closing()
        assert transport.closed is not lingers
        joined.close()
        assert transport.closed

    assert run(work, lingers) == [HEAD]
