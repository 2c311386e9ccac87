"""Two listeners, one process, one event loop: bind, serve, stop."""

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from exporter.errors import ConfigError
from exporter.server.buffered import READ, BufferedConnection
from exporter.server.certificates import Certificate
from exporter.server.connections import Connections, Ended
from exporter.server.protocol import GuardedProtocol

KEEP_ALIVE: Final = 75
"""Seconds: longer than Prometheus' default scrape interval of 60 s, so that it reuses connections."""
BACKLOG: Final = 2048
_UNWIND: Final = 1.0
"""Seconds for cancelled requests to leave before the caller closes the ledger under them."""

_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_WHY: Final = {
    errno.EADDRINUSE: "the port is taken by another process",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "not permitted: ports below 1024 need CAP_NET_BIND_SERVICE",
}

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True)
class Listener:
    """An application and where it listens: `name` is the setting that `address` comes from.

    `address` is HOST:PORT, IPv6 in brackets, port 0 for any free one. `protocol` comes from
    `protocol.guarded`. With a `certificate` only TLS 1.2 and later is spoken. At most `max_connections` are
    open at a time.
    """

    name: str
    address: str
    app: Any
    protocol: type[GuardedProtocol]
    certificate: Certificate | None = None
    max_connections: int = 400


async def serve(
    listeners: Sequence[Listener],
    shutdown_timeout: float,
    on_ready: Callable[[Mapping[str, Address]], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve all `listeners` until SIGTERM, SIGINT or `stop`; returns when the last request ended.

    `on_ready` is called once, when all of them answer, with the address each name is bound to. To
    stop: nothing new is accepted, idle connections close at once, requests under way get
    `shutdown_timeout` seconds and are then cancelled; a SIGINT during that cancels them at once.
    When this returns no request runs any more: the caller may close the ledger. Signals are handled
    in the main thread only and left as they were. Raises `ConfigError`, before anything is served,
    when an address can't be had.
    """
    stop = asyncio.Event() if stop is None else stop
    with contextlib.ExitStack() as opened:
        servers = []
        for listener in listeners:
            sockets = _bind(listener)
            for one in sockets:
                opened.callback(one.close)
            servers.append(_Server(listener, sockets, shutdown_timeout))
            if listener.certificate is not None:
                opened.callback(asyncio.create_task(listener.certificate.watch()).cancel)
        with _signals(servers, stop):
            await _run(servers, stop, on_ready)


async def _run(
    servers: "Sequence[_Server]",
    stop: asyncio.Event,
    on_ready: Callable[[Mapping[str, Address]], None],
) -> None:
    running = [asyncio.create_task(server.serve(sockets=server.sockets)) for server in servers]
    starting = asyncio.ensure_future(asyncio.gather(*(server.up.wait() for server in servers)))
    stopping = asyncio.create_task(stop.wait())
    try:
        await _first(starting, *running)
        if starting.done():
            on_ready({server.listener.name: server.bound for server in servers})
            await _first(stopping, *running)
    finally:
        starting.cancel()
        stopping.cancel()
        for server in servers:
            server.should_exit = True
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, and whose shutdown leaves nothing running."""

    def __init__(
        self,
        listener: Listener,
        sockets: list[socket.socket],
        shutdown_timeout: float,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                listener.app,
                http=listener.protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                # Senders could choose the address that their wrong tokens are held against.
                proxy_headers=False,
                workers=1,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=shutdown_timeout,  # type: ignore[arg-type]
            )
        )
        self.listener = listener
        self.context = listener.certificate.context if listener.certificate is not None else None
        self.sockets = sockets
        self.bound: Address = sockets[0].getsockname()[:2]
        self.up = asyncio.Event()
        # One for all connections: one each would be 56 MiB for a thousand idle ones.
        self.buffer = memoryview(bytearray(READ))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Two servers that each capture signals restore each other's handlers, and raise the
        # signal again after the shutdown, which kills the process before the ledger is closed.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn's own leaves a TLS handshake the 60 s and a TLS goodbye the 30 s of asyncio.
        limits = self.listener.protocol.limits
        await self.lifespan.startup()
        accepting = Connections(
            sockets or (),
            self._connection,
            self.listener.max_connections,
            limits.watch,
            self.context,
            limits.receive_timeout,
        )
        self.servers = [accepting]  # type: ignore[list-item]
        self.started = True
        # The date header is set on the first tick, requests may come before it.
        await self.on_tick(0)
        self.up.set()

    def _connection(self, ended: Ended) -> BufferedConnection:
        return BufferedConnection(self._protocol, self.buffer, ended)

    def _protocol(self) -> GuardedProtocol:
        return self.listener.protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        state = self.server_state
        for task in state.tasks:
            task.cancel()
        if state.tasks:
            # uvicorn returns with the tasks it has cancelled still running.
            await asyncio.wait(state.tasks, timeout=_UNWIND)
        for connection in list(state.connections):
            connection.transport.abort()


@contextlib.contextmanager
def _signals(servers: Sequence[_Server], stop: asyncio.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int) -> None:
        if stop.is_set() and number == signal.SIGINT:
            for server in servers:
                server.force_exit = True
        stop.set()

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _bind(listener: Listener) -> list[socket.socket]:
    host, _, port = listener.address.rpartition(":")
    place = f"{listener.name} = {listener.address!r}"
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        text = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise ConfigError(f"{place}: the host is unknown: {text}") from None
    sockets: list[socket.socket] = []
    failures: list[OSError] = []
    for family, kind, number, _name, address in dict.fromkeys(found):
        try:
            sockets.append(_listen(family, kind, number, address))
        except OSError as error:
            failures.append(error)
    # `localhost` is ::1 as well, and a container without IPv6 has no such address.
    fatal = [one for one in failures if one.errno not in _ABSENT or not sockets]
    if fatal:
        for one in sockets:
            one.close()
        number = fatal[0].errno or 0
        raise ConfigError(f"{place}: {_WHY.get(number, fatal[0].strerror)}") from None
    return sockets


def _listen(family: int, kind: int, number: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, number)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
