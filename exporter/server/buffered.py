"""Reads of a bounded size: how much a transport takes from its socket at once."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from exporter.server.protocol import GuardedProtocol

READ: Final = 56 * 1024
"""Bytes of one read. uvloop takes 256,000 at once for a protocol without a buffer of its own, and all of
them are in memory before anyone can look at a limit. A batch of 1,000 events (90 kB) takes two reads: with
three of 32 KiB it took 5 % more of the processor, with 16 KiB 7 %, with these 2 %."""


class BufferedConnection(asyncio.BufferedProtocol):
    """What a transport feeds: hands its connection a view of each read, and everything else as it is.

    An object of its own, because uvloop ignores `get_buffer` on a subclass of `asyncio.Protocol`, which
    uvicorn's protocol is. `make` creates the connection once there is a transport: none is created for a TLS
    handshake that fails. The connection must not keep the view. `buffer` may be shared by the connections
    of one event loop, which are read one after the other; never by loops in several threads. `ended` is
    called when the transport is closed.
    """

    _connection: GuardedProtocol | None = None

    def __init__(
        self,
        make: Callable[[], GuardedProtocol],
        buffer: memoryview,
        ended: "Callable[[BufferedConnection], None]",
    ) -> None:
        self._make = make
        self._buffer = buffer
        self._ended = ended

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self._connection is not None
        self._connection.data_received(self._buffer[:nbytes])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = self._make()
        self._connection.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(self)
        if self._connection is not None:
            self._connection.connection_lost(exc)

    def close_if_idle(self) -> bool:
        return self._connection is not None and self._connection.close_if_idle()

    def eof_received(self) -> None:
        """`close` follows."""

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume_writing()
