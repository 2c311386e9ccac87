"""Connections of a listener: accepted up to a limit, refused beyond it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.errors import TooManyConnections
from exporter.problem import problem
from exporter.server.buffered import READ, BufferedConnection
from exporter.server.protocol import Watch

_AT_ONCE: Final = 64
"""Connections accepted before the event loop's other work has its turn."""
_PAUSE: Final = 0.1
"""Seconds without accepting after the process had no descriptor or memory for a connection: the kernel
reports a waiting connection again at once, and the event loop would do nothing else."""

Ended = Callable[[BufferedConnection], None]


class Connections:
    """Accepts connections of one listener from its `sockets`: at most `limit` are open at a time.

    At the limit a new connection takes the place of the oldest that is idle: a browser keeps one for
    minutes after a single request. When none is idle, the new connection is refused and counted.

    In the place of `loop.create_server`, for two reasons. It accepts without a limit, and the first TLS
    bytes are handled before the application can look at the connection. And uvloop closes a listening
    socket for good when `accept` fails, which is what happens without a descriptor.

    `make` creates a connection and is given the function to call when it has ended. With `context` only
    TLS is spoken; handshake and goodbye take at most `timeout` seconds. `close` and `wait_closed` are
    what uvicorn calls on a server.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[Ended], BufferedConnection],
        limit: int,
        watch: Watch,
        context: ssl.SSLContext | None,
        timeout: float,
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._limit = limit
        self._watch = watch
        self._tls: dict[str, Any] = {}
        if context is not None:
            self._tls = {
                "ssl": context,
                "ssl_handshake_timeout": timeout,
                "ssl_shutdown_timeout": timeout,
            }
        self._loop = asyncio.get_running_loop()
        # By age, as dictionaries keep their order and sets do not.
        self._open: dict[BufferedConnection, None] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._error = TooManyConnections(
            f"the listener has {limit} open connections (max_connections): try again later"
        )
        self._answer = _answer(self._error)
        for listening in sockets:
            self._listen(listening)

    def close(self) -> None:
        """Accept nothing more, and end the handshakes under way."""
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
        for _ in range(_AT_ONCE):
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
            # A peer that leaves, or whose handshake fails, is no defect.
            with contextlib.suppress(OSError):
                await self._loop.connect_accepted_socket(lambda: connection, accepted, **self._tls)
                started = True
        finally:
            if not started:
                self._ended(connection)

    def _ended(self, connection: BufferedConnection) -> None:
        self._open.pop(connection, None)

    def _close_idle(self) -> bool:
        idle = next((made for made in self._open if made.close_if_idle()), None)
        if idle is not None:
            self._ended(idle)
        return idle is not None

    def _refuse(self, accepted: socket.socket, client: str) -> None:
        """Close at once. Without TLS the peer is told why, as far as its kernel keeps the answer."""
        answered = False
        with contextlib.suppress(OSError), accepted:
            if not self._tls:
                answered = accepted.send(self._answer) == len(self._answer)
                accepted.shutdown(socket.SHUT_WR)
                # Closing on bytes not yet read would make the kernel send a reset.
                accepted.recv(READ)
        self._watch.refused(self._error, client, answered)


def _answer(error: TooManyConnections) -> bytes:
    status, headers, body = problem(error)
    lines = b"".join(b"%s: %s\r\n" % line for line in [*headers, (b"connection", b"close")])
    return STATUS_LINE[status] + lines + b"\r\n" + body
