"""Limits of the process: open files, and memory that goes back to the kernel."""

import contextlib
import ctypes
import resource
from typing import Final

from exporter.errors import ConfigError
from exporter.logs import Log

OPS_CONNECTIONS: Final = 64
"""Most open connections of the ops listener: several Prometheus servers and some browsers."""
_RESERVED_FILES: Final = 64
"""Descriptors that are not used for connections. Listening sockets, ledger, log and imports take some 25,
Redis some more."""
_MIN_CONNECTIONS: Final = 16
"""Connections of senders below which the exporter does not start."""
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 128 * 1024

log = Log("exporter.resources")


def connection_limits(wanted: int) -> dict[str, int]:
    """Most open connections of `ingest` and `ops`: `wanted`, or fewer without enough descriptors.

    Raises the soft limit of open files to the hard limit first. Raises `ConfigError` when that is too low.
    """
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        files = hard
    ops = min(wanted, OPS_CONNECTIONS)
    ingest = min(wanted, files - _RESERVED_FILES - ops)
    if ingest < min(wanted, _MIN_CONNECTIONS):
        needed = _RESERVED_FILES + OPS_CONNECTIONS + _MIN_CONNECTIONS
        raise ConfigError(
            f"open files are limited to {files}, and at least {needed} are needed: raise the hard limit "
            "(ulimit -Hn, systemd's LimitNOFILE=, a container's --ulimit nofile)"
        )
    if ingest < wanted:
        log.warning("open files limit the connections", files=files, connections=ingest)
    return {"ingest": ingest, "ops": ops}


def return_large_blocks() -> None:
    """Make glibc return freed blocks from 128 KiB on to the kernel."""
    # By default glibc keeps such blocks once the first was freed. After 400 TLS connections with large
    # bodies 320 MiB stayed resident, and 4 MiB with this setting.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
