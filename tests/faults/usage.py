"""What a process has used so far, as its kernel counts it."""

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
