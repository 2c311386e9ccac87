"""Connections of a listener: accepted up to a limit and refused beyond it, with reads of a limited size."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from exporter.errors import TooManyConnections
from exporter.server.listener import Listener, refusal
from exporter.server.protocol import GuardedProtocol

READ: Final = 56 * 1024
"""Bytes per read. uvloop's own buffer takes 256,000 bytes before any limit is checked. Reads of 32 KiB cost
5 % more CPU time for a batch of 1,000 events, these 2 %."""
_ACCEPT_BATCH: Final = 64
"""Connections that are accepted before the event loop does other work."""
_PAUSE: Final = 0.1
"""Seconds without accepting after `accept` failed, such as for lack of a descriptor. The kernel reports the
waiting connection again at once, and the event loop would do nothing else."""


class BufferedConnection(asyncio.BufferedProtocol):
    """Passes what a transport reads to its `GuardedProtocol`, as a view of the listener's `buffer`.

    A separate object, because uvloop ignores `get_buffer` of uvicorn's `asyncio.Protocol`. The protocol is
    made when there is a transport: a failed TLS handshake costs none.
    """

    _protocol: GuardedProtocol | None = None

    def __init__(self, connections: "Connections") -> None:
        self._connections = connections
        self._buffer = connections.buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self._protocol is not None
        self._protocol.data_received(self._buffer[:nbytes])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol = self._connections.make()
        self._protocol.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.ended(self)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)

    def close_if_idle(self) -> bool:
        return self._protocol is not None and self._protocol.close_if_idle()

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()


class Connections:
    """Accepts connections from the `sockets` of a listener; at most `max_connections` are open at a time.

    At the limit, a new connection replaces the oldest idle connection, because browsers keep connections for
    minutes. Without an idle connection, the new connection is refused and counted.

    Replaces `loop.create_server`, which has no limit, and which closes a listening socket for good (uvloop)
    when `accept` fails. With a certificate, TLS is required; `receive_timeout` limits handshake and shutdown.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], GuardedProtocol],
        listener: Listener,
    ) -> None:
        self._sockets = sockets
        self.make = make
        self._listener = listener
        self._tls: dict[str, Any] = {}
        if listener.certificate is not None:
            # asyncio allows a TLS handshake 60 s and a TLS shutdown 30 s.
            timeouts = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
            self._tls = dict.fromkeys(timeouts, listener.receive_timeout)
            self._tls["ssl"] = listener.certificate.context
        self._loop = asyncio.get_running_loop()
        # By age: dictionaries keep their order and sets do not.
        self._open: dict[BufferedConnection, None] = {}
        # Shared by all connections: a buffer each would be 56 MiB for a thousand idle ones.
        self.buffer = memoryview(bytearray(READ))
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._error = TooManyConnections(
            f"the listener has {listener.max_connections} open connections (max_connections): "
            "try again later"
        )
        for listening in sockets:
            self._listen(listening)

    def close(self) -> None:
        """Accept no more connections, and end unfinished handshakes."""
        self._closed = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)
        for task in self._starting:
            task.cancel()

    async def wait_closed(self) -> None:
        """uvicorn itself waits for the connections."""

    def _listen(self, listening: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE, self._listen, listening)
                return
            accepted.setblocking(False)
            if len(self._open) >= self._listener.max_connections and not self._close_idle():
                self._refuse(accepted, peer[0])
                continue
            connection = BufferedConnection(self)
            self._open[connection] = None
            task = self._loop.create_task(self._start(accepted, connection))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, accepted: socket.socket, connection: BufferedConnection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted, **self._tls)
        except (OSError, asyncio.CancelledError):
            # A peer that disconnects, or whose handshake fails, is no defect. uvloop itself does not call
            # `connection_lost` after `close` cancelled the start, and the server waited for the connection.
            connection.connection_lost(None)

    def ended(self, connection: BufferedConnection) -> None:
        self._open.pop(connection, None)

    def _close_idle(self) -> bool:
        """Close the oldest idle connection; returns whether there was one."""
        for connection in self._open:
            if connection.close_if_idle():
                self.ended(connection)
                return True
        return False

    def _refuse(self, accepted: socket.socket, client: str) -> None:
        """Refuse a connection and close it at once; without TLS, the peer usually gets an answer."""
        answered = False
        with contextlib.suppress(OSError), accepted:
            if not self._tls:
                answer = refusal(self._error)
                answered = accepted.send(answer) == len(answer)
                accepted.shutdown(socket.SHUT_WR)
                # Closing with unread bytes would make the kernel send a reset.
                accepted.recv(READ)
        self._listener.refused(self._error, client, answered)
