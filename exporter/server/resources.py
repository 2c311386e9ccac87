"""What the kernel and the C library give the process: descriptors for connections, memory given back."""

import contextlib
import ctypes
import resource
from typing import Final

from exporter.errors import ConfigError
from exporter.logs import Log

OPS_CONNECTIONS: Final = 64
"""Open connections of the ops listener, at most: several Prometheus servers and some browsers."""
_OWN: Final = 64
"""Descriptors that no connection gets: sockets, ledger, log and a module being imported take some 25, a
ledger in Redis some more."""
_FEWEST: Final = 16
"""Connections of senders below which a start makes no sense."""
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 128 * 1024

log = Log("exporter.resources")


def connection_limits(wanted: int) -> dict[str, int]:
    """Most open connections of `ingest` and `ops`: `wanted`, as far as there are descriptors.

    Raises the soft limit of open files to the hard limit first. Raises `ConfigError` when that is too low.
    """
    files = _raise_open_files()
    ops = min(wanted, OPS_CONNECTIONS)
    ingest = min(wanted, files - _OWN - ops)
    if ingest < min(wanted, _FEWEST):
        raise ConfigError(
            f"open files are limited to {files}, and at least {_OWN + OPS_CONNECTIONS + _FEWEST} are "
            "needed: raise the hard limit (ulimit -Hn, systemd's LimitNOFILE=, a container's --ulimit nofile)"
        )
    if ingest < wanted:
        log.warning("open files are the limit of connections", files=files, connections=ingest)
    return {"ingest": ingest, "ops": ops}


def _raise_open_files() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def return_large_blocks() -> None:
    """Have the C library give blocks from 128 KiB on back to the kernel when they are freed.

    By default glibc keeps such blocks once the first was freed, and small ones between them pin them:
    after 400 TLS connections with large bodies 320 MiB stayed resident, and 4 MiB do with this.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
