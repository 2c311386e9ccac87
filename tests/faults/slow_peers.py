"""Row 12 of the fault table: peers that send heads or bodies slowly, or do not read answers."""

import contextlib
import selectors
import socket
import time
from pathlib import Path
from typing import Final

from exporter.server.resources import OPS_CONNECTIONS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.honest import honest, p99
from tests.faults.senders import POST_HEAD, connect
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import descriptors

_SLOW: Final = (
    POST_HEAD + b"X: ",
    POST_HEAD + b"Content-Length: 1000000\r\n\r\n[",
    # A hundred kilobytes of answers that nobody reads.
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 2,
)
"""A head and a body that arrive byte by byte, and an answer that is not read."""
_DRIP: Final = 1.0
"""Seconds between two bytes of a head or body."""
_SMALL_BUFFERS: Final = """
import socket
from exporter.server import sockets
listen = sockets._listen
def _listen(*given):
    listener = listen(*given)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return listener
sockets._listen = _listen
"""
"""Without this, loopback buffers 2.5 MB of unread answers per socket, 1 GB for all sockets with answers."""


def _open_slowly(exporter: ExporterProcess, sockets: int, patience: float) -> float:
    """Open slow sockets, a third of each kind. Returns the seconds until all are closed, or infinity."""
    with contextlib.ExitStack() as opened:
        before = descriptors(exporter)
        dripping = opened.enter_context(selectors.DefaultSelector())
        began = time.monotonic()
        for number in range(sockets):
            kind = number % 3
            port = exporter.ports["ops" if kind == 2 else "ingest"]
            client = opened.enter_context(connect(port, receive_buffer=4096))
            client.sendall(_SLOW[kind])
            client.setblocking(False)
            if kind < 2:
                dripping.register(client, selectors.EVENT_READ, client)
        # The ops listener immediately refuses connections above its own limit.
        accepted = sockets - max(0, sockets // 3 - OPS_CONNECTIONS)
        wait_for(lambda: descriptors(exporter) - before > 0.9 * accepted, what="connections")
        next_drip = time.monotonic() + _DRIP
        while (now := time.monotonic()) < began + patience:
            if descriptors(exporter) <= before:
                return now - began
            for key, _ in dripping.select(0.05):
                if _ended(key.data):
                    dripping.unregister(key.fileobj)
            if now >= next_drip:
                next_drip += _DRIP
                for key in list(dripping.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.data.send(b"1")
    return float("inf")


def _ended(client: socket.socket) -> bool:
    """Read the available bytes. At the end of the connection, close it as an honest client would."""
    try:
        if client.recv(4096):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    client.close()
    return True


_PROTOCOL: Final = "exporter.server.protocol.GuardedProtocol"


@row(
    12,
    "slow heads, bodies and readers",
    "1,000 gone ≤ 10 s; p99 < 50 ms",
    Mutant(
        "deadline of requests", patched(f"{_PROTOCOL}._check", "lambda self: None"), "gone in inf"
    ),
    Mutant(
        "deadline of answers",
        patched(f"{_PROTOCOL}.pause_writing", "lambda self: self.flow.pause_writing()"),
        "gone in inf",
    ),
)
def slow(folder: Path, quick: bool, mutant: str = "") -> str:
    # With the default of 10 s a socket would last 10 s plus the time of its refusal, more than the goal.
    timeout, sockets = (1, 90) if quick else (7, 1000)
    # Sockets of a mutant stay for several times the timeout.
    patience, sockets = (4, 9) if mutant else (60, sockets)
    # Room for the sockets, and for the honest sender beside them.
    settings = {"receive_timeout": timeout, "max_connections": sockets + 100}
    with (
        ExporterProcess(
            folder / "data", settings=settings, mutant=_SMALL_BUFFERS + mutant
        ) as exporter,
        honest(exporter.ports["ingest"]) as latencies,
    ):
        gone = _open_slowly(exporter, sockets, patience)
    figure = (
        f"{sockets} sockets, a third each, gone in {gone:.1f} s (receive_timeout {timeout} s); "
        f"p99 of {len(latencies)} others {p99(latencies) * 1000:.0f} ms"
    )
    if quick:
        # If requests waited for slow sockets, each would take one timeout.
        return reached(figure, gone < patience and len(latencies) > 2 * gone / timeout)
    return reached(figure, gone <= 10 and p99(latencies) < 0.05)
