"""Connections of a listener: accepted up to a limit and closed beyond it, with reads of a limited size."""

import asyncio
import math
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from exporter.errors import TlsHandshake, TooManyConnections
from exporter.server.listener import Listener
from exporter.server.protocol import GuardedProtocol

READ: Final = 56 * 1024
"""Bytes per read. uvloop's own buffer takes 256,000 bytes before any limit is checked. Reads of 32 KiB cost
5 % more CPU time for a batch of 1,000 events, these 2 %."""
_ACCEPT_BATCH: Final = 64
"""Connections that are accepted before the event loop does other work."""
PAUSE: Final = 0.1
"""Seconds without accepting after `accept` failed, such as for lack of a descriptor. The kernel reports the
waiting connection again at once, and the event loop would do nothing else."""


class BufferedConnection(asyncio.BufferedProtocol):
    """Passes what a transport reads to its `GuardedProtocol`, as a view of the listener's `buffer`.

    A separate object, because uvloop ignores `get_buffer` of uvicorn's `asyncio.Protocol`. The protocol is
    made when there is a transport: a failed TLS handshake costs none.
    """

    _protocol: GuardedProtocol | None = None

    def __init__(self, connections: "Connections", accepted_at: float, client: str) -> None:
        self._connections = connections
        self._buffer = connections.buffer
        self._accepted_at = accepted_at
        self.client = client

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self._protocol is not None
        self._protocol.data_received(self._buffer[:nbytes])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol = self._connections.make()
        self._protocol.connection_made(cast("asyncio.Transport", transport))
        self._protocol.waiting_since = self._accepted_at

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.ended(self)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)

    def waiting_since(self) -> float:
        """When the wait for a request began, by the loop's clock; infinity while there is a request."""
        if self._protocol is None:
            return self._accepted_at
        return math.inf if self._protocol.flow.write_paused else self._protocol.waiting_since

    def abort(self) -> bool:
        """Close at once, if it has started; returns whether a first or unfinished request is lost."""
        return self._protocol is None or self._protocol.abort()

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()


class Connections:
    """Accepts connections from the `sockets` of a listener; at most `max_connections` are open at a time.

    At the limit, a new connection replaces the connection that has waited longest for a request: since it was
    accepted, without a complete head, or since its last answer was sent. If all have requests, the new
    connection is closed and counted. A replaced connection is counted too, like a head that is late, unless
    it had an answer and has sent nothing since.

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
        self._loop = asyncio.get_running_loop()
        # Each with its start, which asyncio itself does not keep alive.
        self._open: dict[BufferedConnection, asyncio.Task[Any]] = {}
        # Shared by all connections: a buffer each would be 56 MiB for a thousand idle ones.
        self.buffer = memoryview(bytearray(READ))
        self._closed = False
        self._error = TooManyConnections(
            f"the listener has {listener.max_connections} open connections (max_connections)"
        )
        for listening in sockets:
            self._listen(listening)

    def close(self) -> None:
        """Accept no more connections, and end unfinished handshakes."""
        self._closed = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)
        for start in self._open.values():
            start.cancel()

    async def wait_closed(self) -> None:
        """uvicorn itself waits for the connections."""

    def _listen(self, listening: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE, self._listen, listening)
                return
            accepted.setblocking(False)
            if len(self._open) >= self._listener.max_connections and not self._make_room():
                accepted.close()
                self._listener.refused(self._error, peer[0], answered=False)
            else:
                self._start(accepted, BufferedConnection(self, self._loop.time(), peer[0]))

    def _start(self, accepted: socket.socket, connection: BufferedConnection) -> None:
        certificate = self._listener.certificate
        context = certificate.current().context if certificate else None
        start = self._loop.connect_accepted_socket(
            lambda: connection, accepted, ssl=context, **self._tls
        )
        self._open[connection] = task = self._loop.create_task(start)
        task.add_done_callback(partial(self._started, accepted, connection))

    def _started(
        self, accepted: socket.socket, connection: BufferedConnection, start: asyncio.Task[Any]
    ) -> None:
        error = None if start.cancelled() else start.exception()
        if start.cancelled() or isinstance(error, OSError):
            # A peer that disconnects, or whose handshake fails, is no defect. uvloop itself does not call
            # `connection_lost` after the start was cancelled, and the server waited for the connection.
            accepted.close()
            # Not a reset: a health check connects and closes, and a port scan too.
            if isinstance(error, ssl.SSLError | ConnectionAbortedError):
                self._listener.refused(TlsHandshake(str(error)), connection.client, answered=False)
            connection.connection_lost(None)
        else:
            # Raises a defect.
            start.result()

    def ended(self, connection: BufferedConnection) -> None:
        self._open.pop(connection, None)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest; returns False if all have requests."""
        connection = min(self._open, key=BufferedConnection.waiting_since)
        if connection.waiting_since() == math.inf:
            return False
        self._open.pop(connection).cancel()
        if connection.abort():
            self._listener.refused(self._error, connection.client, answered=False)
        return True
