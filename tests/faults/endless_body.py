"""Row 14 of the fault table: a body without end."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.gzip_bomb import MIB
from tests.faults.posting import post
from tests.faults.table import Row, reached
from tests.faults.usage import taken

MAX_BODY = 1024**2
MOST_READ = MAX_BODY + 64 * 1024
"""Bytes that the process may have read when it refuses a body without end; head, framing of chunks and
whatever else it read meanwhile (its event loop's own wake-ups) are among them."""


@dataclass(frozen=True)
class Endless:
    """`status` of the answer (0: none came), bytes that were `sent` and that the process has `read`."""

    status: int
    sent: int
    read: int


def endless(exporter: ExporterProcess, size: int, declared: bool = False) -> Endless:
    """Send a body of `size` bytes, made up as it leaves, chunked or with a Content-Length."""
    piece = b" " * 65536
    framing = b"Transfer-Encoding: chunked"
    if declared:
        framing = b"Content-Length: %d" % size
    else:
        piece = b"10000\r\n" + piece + b"\r\n"
    # What the first answer, refusal, log line and page make the process import is no body.
    assert exporter.request("ops", "GET", "/docs").status == 200
    assert exporter.post({"system": "softdrive"}).status == 200
    assert post(exporter, b"", Content_Type="text/plain").status == 415
    before = taken(exporter)
    head = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    # The kernel holds megabytes on the way.
    first = head + framing + b"\r\n\r\n" + piece * 20
    with _unread(exporter, first) as client:
        sent = len(first)
        try:
            while sent < size:
                client.sendall(piece)
                sent += len(piece)
            if not declared:
                client.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = client.recv(65536)
        except ConnectionResetError:
            answer = b""
    return Endless(int(answer.split(b" ", 2)[1]) if answer else 0, sent, taken(exporter) - before)


def _unread(exporter: ExporterProcess, data: bytes) -> socket.socket:
    """A connection that has sent `data` before the process reads any of it: however busy the machine is,
    there is more to read than is read at once."""
    os.kill(exporter.pid, signal.SIGSTOP)
    try:
        client = socket.create_connection(("127.0.0.1", exporter.ports["ingest"]), timeout=30)
        client.sendall(data)
    finally:
        os.kill(exporter.pid, signal.SIGCONT)
    return client


def _run(folder: Path, quick: bool) -> str:
    with ExporterProcess(folder / "data") as exporter:
        found = [endless(exporter, 1024 * MIB) for _ in range(1 if quick else 20)]
    statuses = {one.status for one in found}
    most = max(one.read for one in found)
    figure = f"{statuses}, {len(found)} ×; read at most {most:,} bytes"
    return reached(
        f"{figure}, limit + {(most - MAX_BODY) / 1024:.0f} KiB",
        statuses == {413} and most <= MOST_READ,
    )


ROW: Final = Row(14, "1 GiB chunked body", "413, reads ≤ limit + 64 KiB", _run)
