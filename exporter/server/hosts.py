"""The Host of a request: a single valid value (RFC 9112 3.2), and a name that is allowed.

DNS rebinding: a page of an attacker's site, whose name now resolves to this machine, makes a browser
send requests here that the browser believes to be the site's own. All that tells them from others is
the site's name in Host. Such a name is a public DNS name: it has a dot and is no IP address.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

import httptools

from exporter.errors import HostNotAllowed, Unparseable

_HOST: Final = re.compile(
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
"""`uri-host [ ":" port ]` of RFC 3986: an address in brackets, or a name, which may be empty."""

Headers = Sequence[tuple[bytes, bytes]]


def host_of(headers: Headers, version: str, target: bytes) -> str:
    """The host that a request is for, in lower case, without port and brackets; empty when there is none.

    `headers` have lower-case names. Raises `Unparseable` for what RFC 9112 3.2 wants answered 400.
    """
    values = [value for name, value in headers if name == b"host"]
    if len(values) > 1 or (not values and version != "1.0"):
        raise Unparseable(
            f"a request of HTTP/{version} needs exactly one Host header; there are {len(values)}"
        )
    host = _name(values[0].strip() if values else b"")
    if target.startswith((b"/", b"*")):
        return host
    # RFC 9112 3.2.2: a target that is a whole URL says which host, whatever Host says.
    named = httptools.parse_url(target).host or b""
    return _name(b"[%s]" % named if b":" in named else named)


@lru_cache(maxsize=256)
def _name(value: bytes) -> str:
    parsed = _HOST.fullmatch(value)
    if parsed is None:
        raise Unparseable("the Host header is not a host and a port, such as example.com:10400")
    # A percent-encoded dot is a dot.
    return unquote(parsed["host"]).strip("[]").lower().rstrip(".")


class AllowedHosts:
    """The hosts that a listener without a token answers for.

    Always allowed are IP addresses, names without a dot (they are no public DNS names), `*.localhost`,
    this machine's own name and `listens`, the host the listener is bound to. `names` are the setting
    `allowed_hosts`: host names, or `*.` and a name for all that end with it. `open_paths` and what is
    below those that end with `/` are answered for any host.
    """

    def __init__(self, names: Iterable[str], listens: str, open_paths: Iterable[str]) -> None:
        own = {socket.gethostname().lower().rstrip("."), listens.strip("[]").lower()}
        names = {name.lower() for name in names}
        self._names = own | {name for name in names if not name.startswith("*.")}
        suffixes = [name[1:] for name in names if name.startswith("*.")]
        self._suffixes = (".localhost", *suffixes)
        paths = [path.encode() for path in open_paths]
        self._paths = frozenset(path for path in paths if not path.endswith(b"/"))
        self._below = tuple(path for path in paths if path.endswith(b"/"))

        # Nearly all requests have one of a few hosts.
        self._allows = lru_cache(maxsize=256)(self._look_up)

    def check(self, host: str, target: bytes) -> None:
        """Pass, or raise `HostNotAllowed`; `host` comes from `host_of`."""
        if self._allows(host):
            return
        if target.partition(b"?")[0] not in self._paths and not target.startswith(self._below):
            raise HostNotAllowed(f"Host {host[:100]!r} is not allowed: add it to allowed_hosts")

    def _look_up(self, host: str) -> bool:
        if "." not in host or host in self._names or host.endswith(self._suffixes):
            return True
        try:
            ip_address(host)
        except ValueError:
            return False
        return True
