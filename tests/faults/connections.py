"""Rows 12 and 27 of the fault table: slow connections, and thousands of short connections."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from exporter.server.resources import OPS_CONNECTIONS
from exporter.settings.model import Settings
from tests.commands.running import write
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.honest import honest, p99
from tests.faults.senders import POST_HEAD, connect
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import MIB, descriptors, resident
from tests.server.conftest import self_signed

# --- row 12: peers that send heads or bodies slowly, or do not read answers ------------------------------

_SLOW: Final = (
    POST_HEAD + b"X: ",
    POST_HEAD + b"Content-Length: 1000000\r\n\r\n[",
    # More than fifty kilobytes that nobody reads.
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
)
"""A head and a body that arrive byte by byte, and an answer that is not read."""
_MAX_CONNECTIONS: Final = Settings.model_fields["max_connections"].default
_DRIP: Final = 1.0
"""Seconds between two bytes of a head or body."""
_SMALL_BUFFERS: Final = """
import socket
create = socket.create_server
def small(*given, **named):
    listener = create(*given, **named)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return listener
socket.create_server = small
"""
"""Without this, loopback buffers 2.5 MB of unread answers per socket, 1 GB for all sockets with answers."""


async def _open_slowly(exporter: ExporterProcess, sockets: int, patience: float) -> float:
    """Open slow sockets, a third of each kind. Returns the seconds until all are closed, or infinity."""
    with contextlib.ExitStack() as opened:
        before = descriptors(exporter)
        dripping = []
        began = time.monotonic()
        for number in range(sockets):
            kind = number % 3
            client = connect(exporter.ports["ops" if kind == 2 else "ingest"], receive_buffer=4096)
            client.sendall(_SLOW[kind])
            if kind == 2:
                opened.enter_context(client)
            else:
                dripping.append(asyncio.create_task(_drip(client)))
        # Later connections replace slow heads, and the ops listener refuses connections above its limit.
        accepted = min(2 * sockets // 3, _MAX_CONNECTIONS) + min(sockets // 3, OPS_CONNECTIONS)
        wait_for(lambda: descriptors(exporter) - before > 0.9 * accepted, what="connections")
        while (seconds := time.monotonic() - began) < patience:
            if descriptors(exporter) <= before:
                return seconds
            await asyncio.sleep(0.05)
    return float("inf")


async def _drip(client: socket.socket) -> None:
    """Send bytes until the end of the connection, and close it then as an honest client would."""
    reader, writer = await asyncio.open_connection(sock=client)
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while True:
            try:
                if not await asyncio.wait_for(reader.read(4096), _DRIP):
                    break
            except TimeoutError:
                writer.write(b"1")


_PROTOCOL: Final = "exporter.server.protocol.GuardedProtocol"


@row(
    12,
    "slow peers and non-readers",
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
    with (
        ExporterProcess(
            folder / "data", settings={"receive_timeout": timeout}, mutant=_SMALL_BUFFERS + mutant
        ) as exporter,
        honest(exporter.ports["ingest"]) as latencies,
    ):
        gone = asyncio.run(_open_slowly(exporter, sockets, patience))
    figure = (
        f"{sockets} sockets, a third each, gone in {gone:.1f} s (receive_timeout {timeout} s); "
        f"p99 of {len(latencies)} others {p99(latencies) * 1000:.0f} ms"
    )
    if quick:
        # If requests waited for slow sockets, each would take one timeout.
        return reached(figure, gone < patience and len(latencies) > 2 * gone / timeout)
    return reached(figure, gone <= 10 and p99(latencies) < 0.05)


# --- row 27: memory has its earlier size after thousands of connections -----------------------------------

_GROWTH: Final = 64 * MIB
_MOST: Final = 160 * MIB
"""Limits on resident memory in bytes: its growth by the flood, and its size after the flood."""
_THREADS: Final = 16
_REQUESTS: Final = tuple(
    POST_HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    for body in (b" " * 900_000, b'{"system":"softdrive","code":"01"}')
)


def _statuses(port: int, connections: int, tls: bool) -> Counter[int]:
    """The statuses of alternately large and small requests, one per connection; 0 when no answer came."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def send(number: int) -> int:
        with contextlib.ExitStack() as opened:
            client: socket.socket = opened.enter_context(connect(port))
            if tls:
                client = opened.enter_context(context.wrap_socket(client))
            # A large request is answered before its end, and then its connection is closed.
            with contextlib.suppress(OSError):
                client.sendall(_REQUESTS[number % 2])
            with contextlib.suppress(OSError):
                return int(client.recv(4096)[9:12] or 0)
        return 0

    with ThreadPoolExecutor(_THREADS) as pool:
        return Counter(pool.map(send, range(connections)))


def _connection_flood(
    folder: Path, connections: int, tls: bool, mutant: str
) -> tuple[Counter[int], int, int]:
    """All statuses, and resident memory before and after a flood. The exporter requires a token."""
    folder.mkdir()
    tokens = write(folder / "tokens", "a-token-that-only-honest-senders-have")
    settings = {"ingest_token_file": tokens}
    if tls:
        cert, key = self_signed(folder)
        settings |= {"ingest_tls_cert": cert, "ingest_tls_key": key}
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        # The first requests of each kind import modules and allocate memory that stays.
        assert exporter.request("ops", "GET", "/metrics").status == 200
        idle = descriptors(exporter)
        port = exporter.ports["ingest"]
        first = _statuses(port, 2 * _THREADS, tls)
        wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
        before = resident(exporter)
        statuses = _statuses(port, connections, tls)
        wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
        return first + statuses, before, resident(exporter)


_KEPT: Final = patched("exporter.server.closing.LingeringTransport.release", "lambda self: None")


@row(
    27,
    "10,000 connections, plain and TLS",
    f"memory + ≤ {_GROWTH // MIB}, < {_MOST // MIB} MiB",
    # A kept connection takes some 200 kB: 110 MiB in the quick version, which grows by 10 MiB without
    # the mutant.
    Mutant("end of the reference cycle", _KEPT, r"→ (1[5-9]|2.)\d MiB"),
)
def connections(folder: Path, quick: bool, mutant: str = "") -> str:
    connections = 640 if quick else 10_000
    figures = []
    holds = True
    for name in ("plain", "TLS") if not mutant else ("TLS",):
        statuses, before, after = _connection_flood(
            folder / name, connections, name == "TLS", mutant
        )
        counts = ", ".join(f"{count:,} × {status}" for status, count in statuses.items())
        figures.append(f"{name} {before / MIB:.0f} → {after / MIB:.0f} MiB ({counts})")
        holds &= after - before <= _GROWTH and after < _MOST
        # Wrong tokens are 401, many of them 429; a large request's sender may find the connection closed.
        holds &= 401 in statuses and set(statuses) <= {0, 401, 429}
    return reached("; ".join(figures), holds)
