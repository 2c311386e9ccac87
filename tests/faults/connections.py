"""Row 27 of the fault table: thousands of connections, after which memory has its earlier size."""

import contextlib
import socket
import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import POST_HEAD, connect
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import MIB, descriptors, resident
from tests.server.conftest import self_signed

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
    settings = {"ingest_token_file": folder / "tokens"}
    settings["ingest_token_file"].write_text("a-token-that-only-honest-senders-have\n")
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
