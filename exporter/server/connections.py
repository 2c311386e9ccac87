"""Connections of a listener: accepted up to a limit and refused beyond it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from exporter.errors import TooManyConnections
from exporter.server.answers import refusal
from exporter.server.buffered import READ, BufferedConnection
from exporter.server.limits import Refusals

_ACCEPT_BATCH: Final = 64
"""Connections that are accepted before the event loop does other work."""
_PAUSE: Final = 0.1
"""Seconds without accepting after `accept` failed for lack of a descriptor or memory. The kernel reports
the waiting connection again at once, and the event loop would do nothing else."""

Ended = Callable[[BufferedConnection], None]


class Connections:
    """Accepts connections from the `sockets` of a listener; at most `limit` are open at a time.

    At the limit, a new connection replaces the oldest idle one: a browser keeps a connection for minutes
    after a single request. Without an idle one, the new connection is refused and counted.

    Replaces `loop.create_server`, which accepts without a limit, handles TLS bytes before the application
    sees the connection, and with uvloop closes the listening socket for good when `accept` fails.

    `make` creates a connection from the function to call when it has ended. With `context`, TLS is
    required, with `timeout` seconds for handshake and shutdown. uvicorn calls `close` and `wait_closed`.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[Ended], BufferedConnection],
        limit: int,
        refusals: Refusals,
        context: ssl.SSLContext | None,
        timeout: float,
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._limit = limit
        self._refusals = refusals
        self._tls: dict[str, Any] = {}
        if context is not None:
            self._tls = {
                "ssl": context,
                "ssl_handshake_timeout": timeout,
                "ssl_shutdown_timeout": timeout,
            }
        self._loop = asyncio.get_running_loop()
        # By age: dictionaries keep their order and sets do not.
        self._open: dict[BufferedConnection, None] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._error = TooManyConnections(
            f"the listener has {limit} open connections (max_connections): try again later"
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
            if len(self._open) >= self._limit and not self._close_idle():
                self._refuse(accepted, peer[0])
                continue
            connection = self._make(self._ended)
            self._open[connection] = None
            task = self._loop.create_task(self._start(accepted, connection))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, accepted: socket.socket, connection: BufferedConnection) -> None:
        started = False
        try:
            # A peer that disconnects, or whose handshake fails, is no defect.
            with contextlib.suppress(OSError):
                await self._loop.connect_accepted_socket(lambda: connection, accepted, **self._tls)
                started = True
        finally:
            if not started:
                self._ended(connection)

    def _ended(self, connection: BufferedConnection) -> None:
        self._open.pop(connection, None)

    def _close_idle(self) -> bool:
        """Close the oldest idle connection; whether there was one."""
        for connection in self._open:
            if connection.close_if_idle():
                self._ended(connection)
                return True
        return False

    def _refuse(self, accepted: socket.socket, client: str) -> None:
        """Close at once. Without TLS the peer gets an answer, if its kernel keeps it."""
        answered = False
        with contextlib.suppress(OSError), accepted:
            if not self._tls:
                answer = refusal(self._error)
                answered = accepted.send(answer) == len(answer)
                accepted.shutdown(socket.SHUT_WR)
                # Closing with unread bytes would make the kernel send a reset.
                accepted.recv(READ)
        self._refusals.refused(self._error, client, answered)
