"""Row 15 of the fault table: a small body that unpacks to a large one."""

import gzip
import zlib

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.posting import post
from tests.faults.usage import peak

MIB = 1024**2
MAX_BODY = MIB
GROWTH = 8 * MIB
"""Bytes by which memory may grow."""
FITTING = 1000 * MIB
"""The largest bomb whose packed body is within the limit: a thousandth of it."""


def bomb(unpacked: int) -> bytes:
    """gzip of `unpacked` zeros: a thousandth of that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(unpacked // MIB)) + packer.flush()


def growth(exporter: ExporterProcess, body: bytes, times: int = 3) -> tuple[int, int]:
    """The last status, and the bytes by which the process's peak grew when `body` came `times`."""
    # An ordinary large request first: what any traffic costs is not the bomb's doing.
    post(exporter, gzip.compress(b" " * MAX_BODY), Content_Encoding="gzip")
    before = peak(exporter)
    for _ in range(times):
        status = post(exporter, body, Content_Encoding="gzip").status
    return status, peak(exporter) - before
