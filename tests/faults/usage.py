"""Resources that a process uses, as the kernel counts them."""

import os
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess

MIB = 1024**2


def bytes_read(exporter: ExporterProcess) -> int:
    """Bytes that the process has read so far, sockets included (`rchar` of proc(5))."""
    return _field(exporter, "io", "rchar:")


def peak(exporter: ExporterProcess) -> int:
    """The highest resident memory so far, bytes."""
    return _field(exporter, "status", "VmHWM:") * 1024


def resident(exporter: ExporterProcess) -> int:
    """Resident memory, bytes."""
    return _field(exporter, "status", "VmRSS:") * 1024


def _field(exporter: ExporterProcess, file: str, name: str) -> int:
    text = Path(f"/proc/{exporter.pid}/{file}").read_text()
    return int(text.partition(name)[2].split()[0])


def processor_seconds(pid: int) -> float:
    """Processor time of all threads so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(exporter: ExporterProcess) -> int:
    """Open files and sockets."""
    return len(os.listdir(f"/proc/{exporter.pid}/fd"))
