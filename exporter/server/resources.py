"""What the process takes from the system: open files, memory and listening sockets."""

import contextlib
import ctypes
import errno
import resource
import socket
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
_BACKLOG: Final = 2048
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

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


def bind(setting: str, address: str) -> list[socket.socket]:
    """Listen at HOST:PORT, on every address of the host; IPv6 in brackets, port 0 for any free port.

    `[::]` is also 0.0.0.0. Raises `ConfigError`, which names `setting`.
    """
    name, _, port = address.rpartition(":")
    # None is 0.0.0.0 and ::. A single socket for both would show IPv4 clients as ::ffff:192.0.2.1, which is
    # in no IPv4 network of `trusted_proxies`.
    host = None if name in ("[::]", "::") else name.strip("[]")
    try:
        addresses = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", "not a host name")
        raise ConfigError(f"{setting} = {address!r}: the host is unknown: {reason}") from None
    sockets: list[socket.socket] = []
    failures: list[OSError] = []
    for family, _kind, _protocol, _name, resolved in dict.fromkeys(addresses):
        try:
            listening = socket.create_server(resolved, family=family, backlog=_BACKLOG)
            listening.setblocking(False)
            sockets.append(listening)
        except OSError as error:
            failures.append(error)
    # `localhost` is ::1 as well, and a container without IPv6 has no such address.
    fatal = [error for error in failures if error.errno not in _ABSENT or not sockets]
    if fatal:
        for bound in sockets:
            bound.close()
        raise ConfigError(f"{setting} = {address!r}: {fatal[0].strerror}")
    return sockets
