"""A head held back, on a transport that notes what it is given."""

import asyncio

import pytest

from exporter.server.joined import JoinedTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Noting(asyncio.Transport):
    """Raises on a write after its end, as uvloop's do."""

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


@pytest.fixture
def transport() -> Noting:
    return Noting()


def joined(transport: Noting, lingers: bool = False) -> JoinedTransport:
    return JoinedTransport(transport, asyncio.get_running_loop(), lambda: lingers)


async def turn() -> None:
    await asyncio.sleep(0)


def test_head_and_body_leave_together(transport: Noting) -> None:
    async def main() -> None:
        made = joined(transport)
        made.write(HEAD)
        made.write(b"body")
        await turn()

    asyncio.run(main())
    assert transport.written == [HEAD + b"body"]


def test_a_head_alone_leaves_with_the_next_turn_of_the_loop(transport: Noting) -> None:
    async def main() -> None:
        made = joined(transport)
        made.write(HEAD)
        assert not transport.written
        await turn()

    asyncio.run(main())
    assert transport.written == [HEAD]


def test_a_head_whose_peer_has_gone_is_thrown_away(transport: Noting) -> None:
    """Fails without the look at `is_closing` in `_flush`."""
    failures: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        made = joined(transport)
        made.write(HEAD)
        transport.close()
        await turn()
        made.write(b"body")

    asyncio.run(main())
    assert not transport.written
    assert not failures


@pytest.mark.parametrize("lingers", [False, True])
def test_a_connection_that_lingers_counts_as_closing_and_is_closed_the_second_time(
    transport: Noting, lingers: bool
) -> None:
    """Fails without `_ending`: uvicorn would go on with the connection, and a stop never close it."""

    async def main() -> None:
        made = joined(transport, lingers)
        made.write(HEAD)
        made.close()
        assert transport.written == [HEAD]
        assert made.is_closing()
        assert transport.closed is not lingers
        made.close()
        assert transport.closed

    asyncio.run(main())
