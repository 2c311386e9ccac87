"""The Host of a request: one valid value (RFC 9112 3.2), and an allowed name.

DNS rebinding: the host name of an attacker's page now resolves to this machine, and the browser sends the
page's requests here. Only the name in Host, a public DNS name, shows the attack.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

import httptools

from exporter.errors import HostNotAllowed, Unparseable

_HOST: Final = re.compile(
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
"""`uri-host [ ":" port ]` of RFC 3986: an address in brackets, or a name, which may be empty."""


def host_of(headers: Sequence[tuple[bytes, bytes]], version: str, target: bytes) -> str:
    """The host of a request in lower case, without port and brackets; empty if there is none.

    `headers` have lower-case names. Raises `Unparseable` where RFC 9112 3.2 requires a 400.
    """
    values = [value for name, value in headers if name == b"host"]
    if len(values) > 1 or (not values and version != "1.0"):
        raise Unparseable(
            f"a request of HTTP/{version} needs exactly one Host header; there are {len(values)}"
        )
    host = _name(values[0].strip() if values else b"")
    if target.startswith((b"/", b"*")):
        return host
    # RFC 9112 3.2.2: the host of a target that is a whole URL replaces Host.
    of_target = httptools.parse_url(target).host or b""
    return _name(b"[%s]" % of_target if b":" in of_target else of_target)


def _name(value: bytes) -> str:
    parsed = _HOST.fullmatch(value)
    if parsed is None:
        raise Unparseable("the Host header is not a host and a port, such as example.com:10400")
    # A percent-encoded dot is a dot.
    return unquote(parsed["host"]).strip("[]").lower().rstrip(".")


class AllowedHosts:
    """The hosts for which a listener without tokens answers.

    Always allowed are names that no public DNS name can be: IP addresses, names without a dot,
    `*.localhost`, this machine's name and `listens`, the host of the listener. `names` is the setting
    `allowed_hosts`. `open_paths` are answered for any host; a path that ends with `/` includes all below.
    """

    def __init__(self, names: Iterable[str], listens: str, open_paths: Iterable[str]) -> None:
        own = (socket.gethostname().rstrip("."), listens.strip("[]"))
        allowed = [name.lower() for name in (*own, *names)]
        self._names = frozenset(allowed)
        self._suffixes = (".localhost", *(name[1:] for name in allowed if name.startswith("*.")))
        paths = "|".join(re.escape(path) + ".*" * path.endswith("/") for path in open_paths)
        self._open = re.compile(rf"({paths})(\?.*)?".encode(), re.DOTALL)

    def check(self, host: str, target: bytes) -> None:
        """Raise `HostNotAllowed` unless `host`, from `host_of`, is allowed for `target`."""
        if not self._allows(host) and not self._open.fullmatch(target):
            raise HostNotAllowed(f"Host {host[:100]!r} is not allowed: add it to allowed_hosts")

    def _allows(self, host: str) -> bool:
        if "." not in host or host in self._names or host.endswith(self._suffixes):
            return True
        try:
            ip_address(host)
        except ValueError:
            return False
        return True
