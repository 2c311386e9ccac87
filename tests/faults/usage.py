"""What a process has used so far, as its kernel counts it."""

import os
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess


def taken(exporter: ExporterProcess) -> int:
    """Bytes that the process has read so far, sockets included (`rchar` of proc(5))."""
    text = Path(f"/proc/{exporter.pid}/io").read_text()
    return int(text.partition("rchar:")[2].split()[0])


def peak(exporter: ExporterProcess) -> int:
    """Bytes of resident memory at its highest."""
    text = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def resident(exporter: ExporterProcess) -> int:
    """Bytes of resident memory now."""
    text = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def processor_seconds(exporter: ExporterProcess) -> float:
    """Seconds of processor time so far, of all threads."""
    fields = Path(f"/proc/{exporter.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(exporter: ExporterProcess) -> int:
    """Files and sockets that are open now."""
    return len(os.listdir(f"/proc/{exporter.pid}/fd"))
