"""Row 15 of the fault table: a small body that unpacks to a large one."""

import gzip
import zlib
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.posting import post
from tests.faults.table import Row, reached
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


def _run(folder: Path, quick: bool) -> str:
    whole = bomb(FITTING if quick else 10 * 1024 * MIB)
    with ExporterProcess(folder / "data") as exporter:
        found = [growth(exporter, body, 1 if quick else 50) for body in (bomb(FITTING), whole)]
    grown = max(more for _, more in found) / MIB
    statuses = {status for status, _ in found}
    figure = f"{len(whole) / MIB:.1f} MiB for 10 GiB and 1.0 MiB for 1,000 MiB: {statuses}"
    if quick:
        figure = f"1.0 MiB for 1,000 MiB: {statuses}"
    return reached(
        f"{figure}, memory +{grown:.1f} MiB", statuses == {413} and grown * MIB <= GROWTH
    )


ROW: Final = Row(15, "gzip bomb of 10 GiB", f"413, memory + ≤ {GROWTH // MIB} MiB", _run)
