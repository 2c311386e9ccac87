"""Row 15 of the fault table: a small body that unpacks to a large one."""

import functools
import gzip
import struct
import zlib
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Mutant, patched, reached, row
from tests.faults.usage import MIB, peak

_MAX_BODY: Final = MIB

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
