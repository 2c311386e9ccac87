"""Row 27 of the fault table: connections that are opened, used once and closed, plain and over TLS."""

import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Row, reached
from tests.faults.usage import descriptors, resident
from tests.server.conftest import openssl

MIB = 1024**2
GROWTH = 64 * MIB
"""Bytes by which resident memory may grow over the whole flood."""
MOST = 160 * MIB
"""Bytes of resident memory after the flood."""
_THREADS = 16
_HEAD = (
    b"POST /v1/session-ends HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_SMALL = b'{"system":"softdrive","code":"01"}'
_LARGE = b" " * 900_000
_REQUESTS = tuple(_HEAD % len(body) + body for body in (_LARGE, _SMALL))


@dataclass(frozen=True)
class Flood:
    """`answers` by status (0: none came), and bytes of resident memory before and after."""

    answers: Counter[int]
    before: int
    after: int


def settings(folder: Path, with_tls: bool) -> Mapping[str, object]:
    """Settings of an exporter that wants a token, which the flood does not have."""
    tokens, cert, key = folder / "tokens", folder / "cert.pem", folder / "key.pem"
    tokens.write_text("a-token-that-only-honest-senders-have\n")
    if not with_tls:
        return {"ingest_token_file": tokens}
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-keyout {key} -out {cert}"
    )
    return {"ingest_token_file": tokens, "ingest_tls_cert": cert, "ingest_tls_key": key}


def flood(exporter: ExporterProcess, connections: int, with_tls: bool) -> Flood:
    """Open and close `connections`, each with a request that is large or small by turns."""
    # What the first of each kind makes the process import and allocate is not the flood's doing.
    assert exporter.request("ops", "GET", "/metrics").status == 200
    idle = descriptors(exporter)
    _send(exporter.ports["ingest"], 2 * _THREADS, with_tls)
    wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
    before = resident(exporter)
    answers = _send(exporter.ports["ingest"], connections, with_tls)
    wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
    return Flood(answers, before, resident(exporter))


def _send(port: int, connections: int, with_tls: bool) -> Counter[int]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found: list[int] = []

    def work(count: int) -> None:
        for number in range(count):
            with contextlib.ExitStack() as opened:
                client: socket.socket = opened.enter_context(
                    socket.create_connection(("127.0.0.1", port), timeout=30)
                )
                if with_tls:
                    client = opened.enter_context(context.wrap_socket(client))
                found.append(_status(client, _REQUESTS[number % 2]))

    threads = [
        threading.Thread(target=work, args=(connections // _THREADS,)) for _ in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(found)


def _status(client: socket.socket, request: bytes) -> int:
    # A large request is answered before its end, and then its connection is closed.
    with contextlib.suppress(OSError):
        client.sendall(request)
    try:
        return int(client.recv(4096)[9:12] or 0)
    except OSError:
        return 0


def run(folder: Path, quick: bool) -> str:
    figures = []
    holds = True
    for name in ("plain", "TLS"):
        place = folder / name
        place.mkdir()
        with ExporterProcess(place / "data", settings=settings(place, name == "TLS")) as exporter:
            found = flood(exporter, 640 if quick else 10_000, name == "TLS")
        statuses = ", ".join(f"{count:,} × {status}" for status, count in found.answers.items())
        figures.append(
            f"{name} {found.before / MIB:.0f} → {found.after / MIB:.0f} MiB ({statuses})"
        )
        holds &= found.after - found.before <= GROWTH and found.after < MOST
        # Wrong tokens are 401, many of them 429; a large request's sender may find the connection closed.
        holds &= set(found.answers) <= {0, 401, 429}
    return reached("; ".join(figures), holds)


ROW = Row(
    27,
    "10,000 connections, plain and TLS",
    f"memory + ≤ {GROWTH // MIB}, < {MOST // MIB} MiB",
    run,
)
