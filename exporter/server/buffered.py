"""Reads of a limited size: how much a transport takes from its socket at once."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from exporter.server.protocol import GuardedProtocol

READ: Final = 56 * 1024
"""Bytes per read. Without a buffer of ours uvloop reads 256,000 bytes before any limit is checked. Smaller
reads cost more for a batch of 1,000 events (90 kB): 32 KiB 5 % more CPU time, 16 KiB 7 %, 56 KiB 2 %."""


class BufferedConnection(asyncio.BufferedProtocol):
    """Passes what a transport reads to its `GuardedProtocol`, as a view that must not be kept.

    A separate object, because uvloop ignores `get_buffer` on subclasses of `asyncio.Protocol`, such as
    uvicorn's. `make` creates the protocol when there is a transport: a failed TLS handshake costs none.
    All connections of an event loop share `buffer`. `ended` is called when the transport is closed.
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
        """The transport closes next."""

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume_writing()
