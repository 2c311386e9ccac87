"""Listening sockets."""

import errno
import socket
from typing import Any, Final

from exporter.errors import ConfigError

_BACKLOG: Final = 2048
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_REASONS: Final = {
    errno.EADDRINUSE: "the port is in use: choose another port, or stop the process that listens on it",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "permission denied: a port below 1024 needs CAP_NET_BIND_SERVICE",
}


def bind(setting: str, address: str, *, listen: bool = True) -> list[socket.socket]:
    """Listen at HOST:PORT, on every address of the host; IPv6 in brackets, port 0 for any free port.

    `[::]` is also 0.0.0.0. Without `listen` the sockets are only bound: no sender can connect to them.
    Raises `ConfigError`, which names `setting`.
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
    for family, kind, protocol, _name, resolved in dict.fromkeys(addresses):
        try:
            sockets.append(_listen(family, kind, protocol, resolved, listen))
        except OSError as error:
            failures.append(error)
    # `localhost` is ::1 as well, and a container without IPv6 has no such address.
    fatal = [error for error in failures if error.errno not in _ABSENT or not sockets]
    if fatal:
        for bound in sockets:
            bound.close()
        reason = _REASONS.get(fatal[0].errno or 0, fatal[0].strerror)
        raise ConfigError(f"{setting} = {address!r}: {reason}")
    return sockets


def _listen(family: int, kind: int, protocol: int, address: Any, listen: bool) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        if listen:
            listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
