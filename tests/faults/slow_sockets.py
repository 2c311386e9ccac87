"""Row 12 of the fault table: heads and bodies that drip, and answers that nobody reads."""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.server.resources import OPS_CONNECTIONS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.honest import honest, p99
from tests.faults.table import Row, reached

HEAD = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nX: "
BODY = (
    b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000000\r\n\r\n["
)
UNREAD = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 2
"""A hundred kilobytes of answers."""
WINDOW = 4096
SMALL_BUFFERS = """
import socket
from exporter.server import sockets
made = sockets._listen
def _listen(*given):
    found = made(*given)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return found
sockets._listen = _listen
"""
"""Run before the program: on loopback the kernel else takes 2.5 MB of answers that nobody reads, and a
third of a thousand such peers would take a gigabyte of it."""
DRIP = 1.0
"""Seconds between two bytes of a head or body."""


@dataclass(frozen=True)
class Siege:
    """`gone` seconds after the first of `sockets` was opened the process had closed the last of them
    (infinite: it had not); `p99` seconds an honest sender waited meanwhile, over `requests`."""

    sockets: int
    gone: float
    p99: float
    requests: int
    timeouts: int


def besiege(exporter: ExporterProcess, sockets: int, patience: float) -> Siege:
    """Open `sockets`, an even mix of the three, and keep them up until all are gone or for `patience`
    seconds."""
    ingest, ops = exporter.ports["ingest"], exporter.ports["ops"]
    gone = float("inf")
    with honest(ingest) as sender, contextlib.ExitStack() as opened:
        before = _descriptors(exporter)
        dripping = opened.enter_context(selectors.DefaultSelector())
        began = time.monotonic()
        for number in range(sockets):
            kind = number % 3
            client = opened.enter_context(_connect(ops if kind == 2 else ingest))
            client.sendall((HEAD, BODY, UNREAD)[kind])
            client.setblocking(False)
            if kind < 2:
                dripping.register(client, selectors.EVENT_READ)
        # The ops listener refuses at once what is beyond its own limit.
        accepted = sockets - max(0, sockets // 3 - OPS_CONNECTIONS)
        wait_for(
            lambda: _descriptors(exporter) - before > 0.9 * accepted, what="connections accepted"
        )
        next_drip = time.monotonic() + DRIP
        while (now := time.monotonic()) < began + patience:
            if _descriptors(exporter) <= before:
                gone = now - began
                break
            for key, _ in dripping.select(0.05):
                if _ended(key.fileobj):
                    dripping.unregister(key.fileobj)
            if now >= next_drip:
                next_drip += DRIP
                for key in list(dripping.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(b"1")  # type: ignore[union-attr]
    timeouts = exporter.total("session_exporter_refused_requests_total", reason="timeout")
    return Siege(sockets, gone, p99(sender.latencies), len(sender.latencies), int(timeouts))


def _descriptors(exporter: ExporterProcess) -> int:
    return len(os.listdir(f"/proc/{exporter.pid}/fd"))


@contextlib.contextmanager
def _connect(port: int) -> Iterator[socket.socket]:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        yield client


def _ended(client: object) -> bool:
    """Read what is there and close at its end, as an honest client would."""
    assert isinstance(client, socket.socket)
    try:
        if client.recv(4096):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    client.close()
    return True


def _run(folder: Path, quick: bool) -> str:
    # With the default of 10 s a socket is gone after 10 s and the time it takes to say so.
    timeout, sockets = (2, 90) if quick else (7, 1000)
    with ExporterProcess(
        folder / "data",
        # The sockets fit, and an honest sender's beside them.
        settings={"receive_timeout": timeout, "max_connections": sockets + 100},
        mutant=SMALL_BUFFERS,
    ) as exporter:
        found = besiege(exporter, sockets, patience=60)
    figure = (
        f"{sockets} sockets, a third each, gone in {found.gone:.1f} s (receive_timeout {timeout} s); "
        f"p99 of {found.requests} others {found.p99 * 1000:.0f} ms"
    )
    # A hundred requests say nothing of a p99.
    return reached(figure, found.gone < 60 and (quick or (found.gone <= 10 and found.p99 < 0.05)))


ROW: Final = Row(12, "slow heads, bodies and readers", "1,000 gone ≤ 10 s; p99 < 50 ms", _run)
