"""Rows 14 and 15 of the fault table: a body without end, and a small body that unpacks to a large one."""

import functools
import gzip
import os
import signal
import struct
import zlib
from pathlib import Path
from typing import Final

from exporter.names import REFUSED_REQUESTS
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.senders import POST_HEAD, connect
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import MIB, bytes_read, peak

_MAX_BODY: Final = MIB

# --- row 14: a body without end ------------------------------------------------------------------

_MOST_READ: Final = _MAX_BODY + 64 * 1024
"""The most bytes that the process may have read, other reads included, when it refuses the body."""
_CHUNK: Final = b" " * 65536


def _endless(exporter: ExporterProcess, size: int, framing: bytes, piece: bytes) -> tuple[int, int]:
    """Send a body of `size` bytes: the answer's status (0: none), and the bytes that the process read."""
    # The first answer, refusal, log line and page make the process import modules.
    assert exporter.request("ops", "GET", "/docs").status == 200
    assert exporter.post({"system": "softdrive"}).status == 200
    assert exporter.post(b"", Content_Type="text/plain").status == 415
    before = bytes_read(exporter)
    # Sent while the process is stopped, so that more than one read can take is waiting, also on a busy
    # machine. The kernel buffers megabytes on the way.
    first = POST_HEAD + framing + b"\r\n\r\n" + piece * 20
    os.kill(exporter.pid, signal.SIGSTOP)
    try:
        client = connect(exporter.ports["ingest"])
        client.sendall(first)
    finally:
        os.kill(exporter.pid, signal.SIGCONT)
    with client:
        try:
            for _ in range(size // len(_CHUNK) - 20):
                client.sendall(piece)
            if piece != _CHUNK:
                client.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = client.recv(65536)
        except ConnectionResetError:
            answer = b""
    return int(answer[9:12] or 0), bytes_read(exporter) - before


_UNLIMITED: Final = patched(
    "exporter.ingest.guard.Guard.__init__",
    "lambda self, tokens, *_: original(self, tokens, 1 << 40, 1 << 40)",
)
_NO_LEDGER_READS: Final = patched("exporter.ledger.files.OpenFiles.check", "lambda *_: None")
"""Without the ledger's check of its own files, the process reads bodies only."""
_WHOLE_READS: Final = patched(
    "exporter.server.connections.BufferedConnection", "lambda connections, *_: connections.make()"
)


@row(
    14,
    "1 GiB chunked body",
    "413, reads ≤ limit + 64 KiB",
    Mutant("limit of a body", _UNLIMITED, r"^\{400\}"),
    Mutant("bounded reads", _WHOLE_READS, r"^\{413\}"),
)
def endless_body(folder: Path, quick: bool, mutant: str = "") -> str:
    # The mutant without the limit decodes the whole body, which is not JSON: a smaller body suffices.
    size = 64 * MIB if mutant else 1024 * MIB
    with ExporterProcess(folder / "data", mutant=_NO_LEDGER_READS + mutant) as exporter:
        chunked = (b"Transfer-Encoding: chunked", b"10000\r\n" + _CHUNK + b"\r\n")
        results = [_endless(exporter, size, *chunked) for _ in range(1 if quick else 20)]
        statuses = {status for status, _ in results}
        most = max(read for _, read in results)
        declared = _endless(exporter, size, b"Content-Length: %d" % size, _CHUNK)
        assert exporter.post({"id": "a", "system": "softdrive"}).status == 200
        refused = exporter.total(REFUSED_REQUESTS, reason="body_too_large")
    figure = f"{statuses}, {len(results)} ×; read at most {most:,} bytes"
    return reached(
        f"{figure}, limit + {(most - _MAX_BODY) / 1024:.0f} KiB",
        statuses == {413}
        and most <= _MOST_READ
        # The declared length shows before the body that the body is too large.
        and (declared[0], declared[1] <= _MOST_READ - _MAX_BODY) == (413, True)
        and refused == len(results) + 1,
    )


# --- row 15: gzip bombs ----------------------------------------------------------------------------

_GROWTH: Final = 8 * MIB
"""Bytes by which memory may grow."""


def _bomb(unpacked: int) -> bytes:
    """gzip of `unpacked` zeros, a thousandth in size, made of copies of one block: packing all takes
    seconds."""
    zeros, count = bytes(MIB), unpacked // MIB
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = functools.reduce(lambda crc, _: zlib.crc32(zeros, crc), range(count), 0)
    end = packer.flush() + struct.pack("<II", crc, unpacked % 2**32)
    return gzip.compress(b"")[:10] + block * count + end


_GREEDY: Final = "import gzip" + patched(
    "exporter.ingest.guard.Guard._unpack",
    "lambda self, body: gzip.decompress(body) and original(self, body)",
)


@row(
    15,
    "gzip bomb of 10 GiB",
    f"413, memory + ≤ {_GROWTH // MIB} MiB",
    Mutant("unpacking up to the limit", _GREEDY, r"memory \+\d\d+"),
)
def gzip_bomb(folder: Path, quick: bool, mutant: str = "") -> str:
    fitting = _bomb(64 * MIB if mutant else 1000 * MIB)
    assert mutant or 0.9 * _MAX_BODY < len(fitting) <= _MAX_BODY, "larger than the packed limit"
    bombs = [fitting] if quick else [fitting, _bomb(10 * 1024 * MIB)]
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        # An ordinary large request first, because the memory that it needs is not caused by the bomb.
        exporter.post(gzip.compress(b" " * _MAX_BODY), Content_Encoding="gzip")
        before = peak(exporter)
        statuses = {
            exporter.post(body, Content_Encoding="gzip").status
            for body in bombs
            for _ in range(1 if quick else 50)
        }
        grown = peak(exporter) - before
    figure = f"1.0 MiB for 1,000 MiB: {statuses}"
    if not quick:
        figure = f"{len(bombs[1]) / MIB:.1f} MiB for 10 GiB and {figure}"
    figure = f"{figure}, memory +{grown / MIB:.1f} MiB"
    return reached(figure, statuses == {413} and grown <= _GROWTH)
