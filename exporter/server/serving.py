"""Two listeners, one process, one event loop: bind, serve, stop."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import uvicorn

from exporter.server.connections import Connections
from exporter.server.direct import KnownHeads
from exporter.server.listener import Listener
from exporter.server.protocol import GuardedProtocol
from exporter.server.resources import bind

KEEP_ALIVE: Final = 75
"""Seconds. Longer than Prometheus' default scrape interval of 60 s, so that it reuses connections."""
_CANCEL_TIMEOUT: Final = 1.0
"""Seconds for cancelled requests to end before the caller closes the ledger."""

Address = tuple[str, int]
"""Host and port."""


async def serve(
    listeners: Sequence[Listener],
    shutdown_timeout: float,
    on_ready: Callable[[Mapping[str, Address]], None],
    stop: asyncio.Event,
) -> None:
    """Serve all `listeners` until SIGTERM, SIGINT or `stop`; returns when the last request ended.

    `on_ready` is called once all listeners answer, with the address of each name. A stop closes idle
    connections at once; open requests get `shutdown_timeout` seconds and are then cancelled. The caller may
    close the ledger afterwards. Signals are handled in the main thread only. Raises `ConfigError`, before
    anything is served, when an address can't be used.
    """
    with contextlib.ExitStack() as opened:
        servers = []
        for listener in listeners:
            sockets = bind(listener.name, listener.address)
            for bound in sockets:
                opened.callback(bound.close)
            servers.append(_Server(listener, sockets, shutdown_timeout))
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
                opened.callback(loop.remove_signal_handler, number)
        # Not `serve`, with which uvicorn handles signals itself and raises them again after its shutdown.
        running = [asyncio.create_task(server._serve(server.sockets)) for server in servers]
        stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
        try:
            # The start of a server never waits.
            await asyncio.sleep(0)
            on_ready({server.listener.name: server.bound for server in servers})
            await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for server in servers:
                server.should_exit = True
            await asyncio.wait(running)
        for task in running:
            task.result()


class _Server(uvicorn.Server):
    """uvicorn's server with `Connections`. No request runs on after its shutdown."""

    def __init__(
        self, listener: Listener, sockets: list[socket.socket], shutdown_timeout: float
    ) -> None:
        super().__init__(
            uvicorn.Config(
                listener.app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # By default uvicorn trusts X-Forwarded-For from loopback: any local sender could choose
                # the address to which its wrong tokens are counted.
                proxy_headers=False,
                # uvicorn reads WEB_CONCURRENCY otherwise, which may be "auto".
                workers=1,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=shutdown_timeout,  # type: ignore[arg-type]
            )
        )
        self.listener = listener
        self.sockets = sockets
        self.bound: Address = sockets[0].getsockname()[:2]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        listener, known_heads, state = self.listener, KnownHeads(), self.server_state
        accepting = Connections(
            self.sockets,
            lambda: GuardedProtocol(listener, known_heads, self.config, state, self.lifespan.state),
            listener,
        )
        self.servers = [accepting]  # type: ignore[list-item]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        state = self.server_state
        for task in state.tasks:
            task.cancel()
        if state.tasks:
            # uvicorn returns while the tasks that it has cancelled still run.
            await asyncio.wait(state.tasks, timeout=_CANCEL_TIMEOUT)
        for connection in list(state.connections):
            connection.transport.abort()
