"""A transport that closes later, over a transport that records its writes."""

import asyncio

import pytest

from exporter.server.closing import LingeringTransport


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


@pytest.mark.parametrize("lingers", [False, True])
def test_connection_that_lingers_is_closing_until_the_second_close(lingers: bool) -> None:
    """Fails without `_closing`: uvicorn would use the connection further, and a stop never close it."""
    transport = Recording()
    lingering = LingeringTransport(transport, lambda: lingers)
    lingering.write(b"answer")
    lingering.close()
    assert lingering.is_closing()
    assert transport.closed is not lingers
    lingering.write(b"another answer")
    lingering.close()
    assert transport.closed
    assert transport.written == [b"answer"]
